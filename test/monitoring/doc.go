// Package monitoring tests what manifests/monitoring holds: its rules by Prometheus' own engine, its objects by the operator's types and
// its dashboard by Grafana's. These are in a module of their own, as the product needs none of them.
package monitoring
