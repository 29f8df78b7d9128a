// Package cosign is empty. Its module pins the program that signs a release, in a module file of its own: what cosign depends on
// becomes a dependency of nothing else.
package cosign
