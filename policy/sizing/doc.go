// Package sizing is the arithmetic of /dev/shm: how large it has to be and how much memory that
// costs. It knows no Pod, no policy and no cluster, and it never fails.
//
// Amounts are Bytes, which saturate instead of wrapping. A model (Files or Requirement) and its Bounds
// give a Size.
package sizing
