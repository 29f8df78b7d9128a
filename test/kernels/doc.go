// Package kernels measures on other kernels what files on tmpfs cost, and compares it with package
// policy/sizing. It boots Debian's kernels in virtual machines, with cgroup v2, with and without
// SELinux. The measuring is done by the command in the folder guest; it is run by
// `make test-kernels`, with the build tag kernels.
package kernels
