// Package pages follows those pages of docs that need a cluster, on a real API server.
package pages
