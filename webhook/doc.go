// Package webhook is what stands between an API server and the engine: it reads
// admission requests, asks the engine, and writes responses. It decides nothing
// itself and calls nobody while a request waits.
package webhook
