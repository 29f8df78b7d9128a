// Package shape keeps code short enough to be read at once: functions at most 65 lines, files at
// most 400. It has no code of its own; its test measures every Go file of the repository.
//
// Tables do not count, since their length is not a measure of how hard they are to read. A table is a
// composite literal: the lines between its braces are left out, except for those of function
// literals in it. So a test whose length is the list of its cases is short. Generated files do not
// count either.
package shape
