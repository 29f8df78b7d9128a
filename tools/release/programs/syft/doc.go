// Package syft is empty. Its module pins the program by which a test finds out what is in the programs of a release, to compare it
// with their bills of materials.
package syft
