// Package api tests the CustomResourceDefinition that ships in a real API server, without
// shmkeeper's own server.
package api
