// Package kubernetes is empty. Its module pins the programs of the oldest release of Kubernetes that shmkeeper is written for, as the
// module in ../kubernetes pins those of the newest.
package kubernetes
