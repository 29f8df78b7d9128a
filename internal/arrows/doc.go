// Package arrows holds the test of which package may import which; it has no code of its own.
package arrows
