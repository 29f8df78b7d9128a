// Package image builds container images from static programs, without a registry or an engine: it writes an archive
// that `ctr images import` reads.
//
// A runtime keeps an image under its full name: ctr adds the default registry to the names in an archive, and the
// kubelet's runtime adds it to the name in a Pod. So a name is written here as it is in the Pod.
package image
