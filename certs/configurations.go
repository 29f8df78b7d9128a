package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

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

// applier publishes a bundle in the configuration that was read, and fails with a conflict if it has changed or vanished since: an apply
// must neither undo what another replica has published in between, nor create a configuration.
type applier func(ctx context.Context, live configuration, bundle []byte) error

func (c Configurations) applyMutating(ctx context.Context, live configuration, bundle []byte) error {
	config := apply.MutatingWebhookConfiguration(c.Name).WithResourceVersion(live.resourceVersion)
	for _, h := range live.hooks {
		config.WithWebhooks(apply.MutatingWebhook().WithName(h.name).WithClientConfig(apply.WebhookClientConfig().WithCABundle(bundle...)))
	}
	_, err := c.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Apply(ctx, config, forced)
	return c.unlessAbsent("publish the CA bundle in", live.kind, err)
}

func (c Configurations) applyValidating(ctx context.Context, live configuration, bundle []byte) error {
	config := apply.ValidatingWebhookConfiguration(c.Name).WithResourceVersion(live.resourceVersion)
	for _, h := range live.hooks {
		config.WithWebhooks(apply.ValidatingWebhook().WithName(h.name).WithClientConfig(apply.WebhookClientConfig().WithCABundle(bundle...)))
	}
	_, err := c.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Apply(ctx, config, forced)
	return c.unlessAbsent("publish the CA bundle in", live.kind, err)
}

// forced, since caBundle is ours whoever has set it.
var forced = metav1.ApplyOptions{FieldManager: fieldManager, Force: true}
