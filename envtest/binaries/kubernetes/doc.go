// Package kubernetes is empty. Its module pins the Kubernetes programs that the tests run, in a module file of their own, so that they are
// built with the dependencies that their release names and none of them becomes a dependency of the product.
package kubernetes
