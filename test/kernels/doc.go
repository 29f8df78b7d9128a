// Package kernels compares what files on tmpfs cost on other kernels with package policy/sizing. It
// boots Debian's kernels in virtual machines, with cgroup v2, with and without SELinux. The
// measuring is done by the command in the folder guest; it is run by `make test-kernels`, with the
// build tag kernels.
package kernels
