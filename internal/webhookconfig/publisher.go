package webhookconfig

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Publication reads from the API server what has been published in the caBundle of the
// webhooks that call a Service. It is a certs.Publisher.
type Publication struct {
	Reader  client.Reader    // not from a cache
	Name    string           // of the configurations
	Service client.ObjectKey // of this server
}

// Published reports whether every webhook carries every certificate of the bundle.
// Configurations that do not exist do not count.
func (p Publication) Published(ctx context.Context, bundle []byte) (bool, error) {
	wanted, _ := certificates(bundle)
	if len(wanted) == 0 {
		return false, errors.New("the bundle holds no CA: give the one of a SelfManaged")
	}
	published := true
	err := p.each(ctx, func(have []*x509.Certificate) { published = published && containsAll(have, wanted) })
	return published && err == nil, err
}

// Trusted returns the certificates that any webhook carries.
func (p Publication) Trusted(ctx context.Context) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	err := p.each(ctx, func(have []*x509.Certificate) { all = append(all, have...) })
	return sortedSet(all), err
}

// each calls a function with the certificates of each webhook.
func (p Publication) each(ctx context.Context, found func([]*x509.Certificate)) error {
	for _, kind := range Kinds() {
		live, err := read(ctx, p.Reader, kind, p.Name)
		if err != nil {
			return err
		}
		for _, hook := range callingService(live, p.Service) {
			have, _ := certificates(hook.bundle())
			found(have)
		}
	}
	return nil
}

// read returns a configuration; nil if there is none.
func read(ctx context.Context, from client.Reader, kind, name string) (*unstructured.Unstructured, error) {
	u := newConfiguration(kind)
	switch err := from.Get(ctx, client.ObjectKey{Name: name}, u); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read %s %q: %w: make sure that the server may get, list and watch it", kind, name, err)
	}
	return u, nil
}

// certificates returns what the API server makes of a bundle: it skips what it cannot
// read. clean reports whether there was nothing to skip. A certificate need not be a CA's:
// cert-manager's selfSigned issuer makes such, and a leaf in the bundle vouches for itself.
func certificates(bundle []byte) (certs []*x509.Certificate, clean bool) {
	clean = true
	for {
		block, rest := pem.Decode(bundle)
		if block == nil {
			return certs, clean && len(bytes.TrimSpace(rest)) == 0
		}
		bundle = rest
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
			clean = false
			continue
		}
		certs = append(certs, cert)
	}
}

func containsAll(have, wanted []*x509.Certificate) bool {
	return !slices.ContainsFunc(wanted, func(cert *x509.Certificate) bool { return !slices.ContainsFunc(have, cert.Equal) })
}

// sortedSet returns the certificates without duplicates, oldest first.
func sortedSet(certs []*x509.Certificate) []*x509.Certificate {
	certs = slices.Clone(certs)
	slices.SortFunc(certs, func(a, b *x509.Certificate) int {
		if order := a.NotBefore.Compare(b.NotBefore); order != 0 {
			return order
		}
		return bytes.Compare(a.Raw, b.Raw)
	})
	return slices.CompactFunc(certs, (*x509.Certificate).Equal)
}
