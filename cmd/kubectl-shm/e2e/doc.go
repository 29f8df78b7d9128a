// Package e2e tries the verbs of kubectl shm that ask a cluster on real API servers.
package e2e
