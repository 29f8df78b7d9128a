// Package etcd is empty. Its module pins the etcd that the tests run, in a module file of its own, so that etcd is built with the
// dependencies that its release names and none of them becomes a dependency of the product.
package etcd
