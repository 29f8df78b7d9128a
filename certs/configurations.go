package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apply "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
	"k8s.io/client-go/kubernetes"
)

// fieldManager owns caBundle of each webhook, and nothing else there.
const fieldManager = "shmkeeper-certs"

// Configurations are the MutatingWebhookConfiguration and the ValidatingWebhookConfiguration of one name.
type Configurations struct {
	Client kubernetes.Interface
	Name   string
}

var _ Publisher = Configurations{}

// configuration is what the two kinds have in common.
type configuration struct {
	kind            string
	resourceVersion string
	// shared says that cert-manager's injector keeps caBundle too. It adds its CA to those that it finds, so that the leaves of both are trusted while an
	// installation changes over to it.
	shared bool
	hooks  []hook
}

type hook struct {
	name   string
	bundle []byte
}

// carries says whether every webhook has exactly the bundle or, where it is shared, at least that: to insist on more would be to take away again and again what
// the other adds again and again.
func (c configuration) carries(bundle []byte) bool {
	wanted := decodeAuthorities(bundle)
	return !slices.ContainsFunc(c.hooks, func(h hook) bool {
		return !bytes.Equal(h.bundle, bundle) && (!c.shared || len(wanted) == 0 || !containsAll(decodeAuthorities(h.bundle), wanted))
	})
}

// maxFound is how many certificates beside its own the injector leaves in a shared bundle. It is far more than a change of CA on both sides needs.
const maxFound = 16

// with returns the configuration with the bundle in every webhook. Where it is shared, the certificates that are there already and have not expired follow
// the bundle, since a replica may serve a leaf of theirs. What cannot be read goes, and of too many the oldest.
func (c configuration) with(bundle []byte, now time.Time) (configuration, error) {
	c.hooks = slices.Clone(c.hooks)
	own := readable(bundle)
	for i := range c.hooks {
		h := &c.hooks[i]
		var found []*x509.Certificate
		if c.shared {
			found = sortedSet(slices.DeleteFunc(readable(h.bundle), func(cert *x509.Certificate) bool {
				return !now.Before(cert.NotAfter) || slices.ContainsFunc(own, cert.Equal)
			}))
		}
		h.bundle = bundle
		if len(found) == 0 {
			continue
		}
		all, err := encodeCerts(slices.Concat(own, found[max(0, len(found)-maxFound):]))
		if err != nil {
			return c, err
		}
		h.bundle = all
	}
	return c, nil
}

// readable returns the certificates that the API server makes of a bundle. Like it, and unlike decodeAuthorities, it skips what it cannot read, and takes a
// certificate that is not a CA's: cert-manager's selfSigned issuer makes such, and a leaf in the bundle vouches for itself.
func readable(bundle []byte) []*x509.Certificate {
	var certs []*x509.Certificate
	for {
		block, rest := pem.Decode(bundle)
		if block == nil {
			return certs
		}
		bundle = rest
		if block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			certs = append(certs, cert)
		}
	}
}

// isShared says whether one of cert-manager's annotations asks for a CA.
func isShared(annotations map[string]string) bool {
	return slices.ContainsFunc([]string{
		"cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret", "cert-manager.io/inject-apiserver-ca",
	}, func(name string) bool { return annotations[name] != "" })
}

// Published implements Publisher by reading both configurations from the API server.
func (c Configurations) Published(ctx context.Context, bundle []byte) (bool, error) {
	wanted := decodeAuthorities(bundle)
	if len(wanted) == 0 {
		return false, errors.New("the bundle holds no CA: give the one of a SelfManaged")
	}
	for _, get := range []getter{c.mutating, c.validating} {
		live, err := get(ctx)
		if err != nil {
			return false, err
		}
		for _, h := range live.hooks {
			if !containsAll(decodeAuthorities(h.bundle), wanted) {
				return false, nil
			}
		}
	}
	return true, nil
}

// Trusted implements Publisher by reading both configurations from the API server.
func (c Configurations) Trusted(ctx context.Context) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, get := range []getter{c.mutating, c.validating} {
		live, err := get(ctx)
		if err != nil {
			return nil, err
		}
		for _, h := range live.hooks {
			all = append(all, decodeAuthorities(h.bundle)...)
		}
	}
	return sortedSet(all), nil
}

func containsAll(have, wanted []*x509.Certificate) bool {
	return !slices.ContainsFunc(wanted, func(cert *x509.Certificate) bool { return !slices.ContainsFunc(have, cert.Equal) })
}

// getter returns a configuration without webhooks where there is none.
type getter func(context.Context) (configuration, error)

func (c Configurations) mutating(ctx context.Context) (configuration, error) {
	result := configuration{kind: "MutatingWebhookConfiguration"}
	live, err := c.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, c.Name, metav1.GetOptions{})
	if err != nil {
		return result, c.unlessAbsent("read", result.kind, err)
	}
	result.resourceVersion, result.shared = live.ResourceVersion, isShared(live.Annotations)
	for i := range live.Webhooks {
		result.hooks = append(result.hooks, hook{live.Webhooks[i].Name, live.Webhooks[i].ClientConfig.CABundle})
	}
	return result, nil
}

func (c Configurations) validating(ctx context.Context) (configuration, error) {
	result := configuration{kind: "ValidatingWebhookConfiguration"}
	live, err := c.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(ctx, c.Name, metav1.GetOptions{})
	if err != nil {
		return result, c.unlessAbsent("read", result.kind, err)
	}
	result.resourceVersion, result.shared = live.ResourceVersion, isShared(live.Annotations)
	for i := range live.Webhooks {
		result.hooks = append(result.hooks, hook{live.Webhooks[i].Name, live.Webhooks[i].ClientConfig.CABundle})
	}
	return result, nil
}

func (c Configurations) unlessAbsent(verb, kind string, err error) error {
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("%s %s %q: %w: see that the server may get, list, watch and patch it", verb, kind, c.Name, err)
}

// applier publishes what is wanted of a configuration that was read, and fails with a conflict if that has changed or vanished since: an apply
// must neither undo what another replica has published in between, nor create a configuration.
type applier func(ctx context.Context, wanted configuration) error

func (c Configurations) applyMutating(ctx context.Context, wanted configuration) error {
	config := apply.MutatingWebhookConfiguration(c.Name).WithResourceVersion(wanted.resourceVersion)
	for _, h := range wanted.hooks {
		config.WithWebhooks(apply.MutatingWebhook().WithName(h.name).WithClientConfig(apply.WebhookClientConfig().WithCABundle(h.bundle...)))
	}
	_, err := c.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Apply(ctx, config, forced)
	return c.unlessAbsent("publish the CA bundle in", wanted.kind, err)
}

func (c Configurations) applyValidating(ctx context.Context, wanted configuration) error {
	config := apply.ValidatingWebhookConfiguration(c.Name).WithResourceVersion(wanted.resourceVersion)
	for _, h := range wanted.hooks {
		config.WithWebhooks(apply.ValidatingWebhook().WithName(h.name).WithClientConfig(apply.WebhookClientConfig().WithCABundle(h.bundle...)))
	}
	_, err := c.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Apply(ctx, config, forced)
	return c.unlessAbsent("publish the CA bundle in", wanted.kind, err)
}

// forced, since caBundle is ours whoever has set it.
var forced = metav1.ApplyOptions{FieldManager: fieldManager, Force: true}
