// Package certmanager runs the controllers of cert-manager beside a control plane of package
// envtest, so that manifests/cert-manager is tested with what it is written for. It is a module of
// its own, so that the product depends on no more of cert-manager than it links.
//
// The controllers are cert-manager's own packages at the version that go.mod pins, with the
// settings that its commands have by default. They run in this process, with the rights of a
// cluster administrator. Left out are its admission webhook, of which the code is not a package that
// others may import, and all issuers but the two that the overlay uses: selfSigned and ca.
package certmanager
