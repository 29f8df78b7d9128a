package webhookconfig

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shmkeeper/shmkeeper/manifests/webhooks"
)

// validating returns the configuration that ships, with settings.
func validating(t *testing.T, s Settings) *unstructured.Unstructured {
	t.Helper()
	u, err := readManifest(webhooks.Validating(), Validating, "shmkeeper-system")
	if err != nil {
		t.Fatal(err)
	}
	s.apply(u)
	return u
}

// ClosedWebhooks are those of the manifests that fail closed.
func TestClosedWebhooks(t *testing.T) {
	var closed []string
	for _, w := range webhooksOf(validating(t, Settings{})) {
		if w[failurePolicy] == "Fail" {
			closed = append(closed, w.name())
		}
	}
	if diff := cmp.Diff([]string{"enforce.pods.shmkeeper.dev", "policies.shmkeeper.dev"}, closed); diff != "" {
		t.Error(diff)
	}
	for _, name := range ClosedWebhooks() {
		open := validating(t, Settings{FailOpen: []string{name}})
		if !slices.ContainsFunc(closed, func(full string) bool { return find(webhooksOf(open), full)[failurePolicy] == "Ignore" }) {
			t.Errorf("no webhook fails open for %q", name)
		}
	}
}

// What is wanted is not drift, what ships is, and each is restored to the other.
func TestSettings_AreWhatIsRestored(t *testing.T) {
	for name, c := range map[string]struct {
		settings Settings
		drift    []string
	}{
		"nothing": {Settings{}, nil},
		"a webhook that fails open": {Settings{FailOpen: []string{"policies"}}, []string{
			`failurePolicy of webhook "policies.shmkeeper.dev" was changed`,
		}},
		"namespaces, one of which is excluded anyway": {Settings{ExcludedNamespaces: []string{"cert-manager", "kube-system"}}, []string{
			`namespaceSelector of webhook "enforce.pods.shmkeeper.dev" was changed`,
			`namespaceSelector of webhook "report.pods.shmkeeper.dev" was changed`,
			`namespaceSelector of webhook "templates.shmkeeper.dev" was changed`,
			`namespaceSelector of webhook "modes.shmkeeper.dev" was changed`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			shipped, wanted := validating(t, Settings{}), validating(t, c.settings)
			if drift := driftOf(wanted, wanted, false); len(drift) > 0 {
				t.Errorf("what is wanted would be restored: %v", drift)
			}
			if diff := cmp.Diff(c.drift, driftOf(shipped, wanted, false)); diff != "" {
				t.Errorf("what ships, to a server with settings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.drift, driftOf(wanted, shipped, false)); diff != "" {
				t.Errorf("what is wanted, to a server without (-want +got):\n%s", diff)
			}
		})
	}
	values := fmt.Sprint(requirements(webhooksOf(validating(t, Settings{ExcludedNamespaces: []string{"cert-manager", "kube-system"}}))[0][namespaceSelector])[1]["values"])
	if values != "[kube-system shmkeeper-system cert-manager]" {
		t.Errorf("the namespaces that are left out are %s", values)
	}
}
