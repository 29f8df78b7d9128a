// Package imports holds the test of which package imports which: as in the diagram in
// CONTRIBUTING.md, and nothing through a chain of imports that must not be linked. What a single
// import can show is the linter's: depguard in .golangci.yml.
package imports
