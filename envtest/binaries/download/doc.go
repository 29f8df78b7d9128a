// Package download is empty. Its module pins setup-envtest, which fetches programs that the project
// controller-tools has built and checks them against the checksums in its index.
package download
