// Package imports checks which package imports which: against the diagram in CONTRIBUTING.md, and
// for what must not be linked through any chain of imports. Its tests are all it has. What a single
// import can show is the linter's: depguard in .golangci.yml.
package imports
