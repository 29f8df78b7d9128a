// Package node is the root of the tests on a real node; see the folder incident.
package node
