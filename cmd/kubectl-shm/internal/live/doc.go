// Package live connects the verbs of kubectl shm to a cluster: kubectl's own flags, what is read
// there in bounded memory, the policies that count, and errors that say what to do. The verbs that
// need no cluster do not import it.
package live
