// Package webhook answers admission requests: it reads them, asks the engine, and
// writes responses. It decides nothing itself and calls nobody while a request waits.
package webhook
