// Package picture draws charts in the style of this project: lines of one
// width, a color for each meaning, a label at the end of each curve instead of a legend, the message as
// the title and what it was computed from below it.
//
// A picture is written as SVG, which follows the reader's light or dark mode and says in words what it
// shows, or as PNG, which is always light. Equal input gives equal bytes.
//
// Letters are measured and painted with gonum's plot/vg. Its plots are not used: they have a legend but no
// labels at the ends of curves, and their SVG has colors that no style sheet can change. The same holds for
// go-analyze/charts.
package picture
