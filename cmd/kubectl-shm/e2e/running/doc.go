// Package running tries the verbs of kubectl shm for running Pods on real API servers: top, diagnose,
// recommend, resize. Those of test/node/incident do so with real containers.
package running
