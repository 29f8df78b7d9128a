// Package prometheus runs Debian's Prometheus with its node_exporter beside a cluster of package
// cluster, on rules whose time runs faster.
package prometheus
