// Package sizing computes how large /dev/shm has to be and how much memory that costs. It is
// arithmetic alone: it knows no Pod, no policy and no cluster, and it never fails.
//
// Amounts are Bytes, which saturate instead of wrapping. A model (Files or Static) and its Bounds
// give a Size.
package sizing
