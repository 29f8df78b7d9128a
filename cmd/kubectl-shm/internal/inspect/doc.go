// Package inspect reads the tmpfs volumes of running containers: how full they are, the counts, sizes,
// ages of their files by name pattern, never contents.
//
// It runs two small scripts in a container, with the user's own right to execute commands there. Both
// only read: they need a shell and the programs of busybox or coreutils, write nothing, and print a
// bounded number of lines. For an image without a shell an ephemeral container can be added to the
// Pod, if the user allows it.
package inspect
