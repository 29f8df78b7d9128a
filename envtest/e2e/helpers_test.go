package e2e

import (
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// newPolicy returns a policy from the YAML of its spec. It panics if that is
// invalid, as it is part of a test.
func newPolicy(name, spec string) v1alpha1.SharedMemoryPolicy {
	p := v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		panic(err)
	}
	return p
}

// ownSuite starts a control plane for one test alone, until the end of the test. Nothing is installed in it.
func ownSuite(tb testing.TB, options envtest.Options) *suite {
	tb.Helper()
	cp, err := envtest.Start(tb.Context(), options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := cp.Stop(); err != nil {
			tb.Error(err)
		}
	})
	kube, c, err := clients(cp.Config)
	if err != nil {
		tb.Fatal(err)
	}
	return &suite{cp: cp, kube: kube, client: c, program: shared.program, dir: tb.TempDir(), minor: shared.minor}
}

// warnings collects what an API server warns a client of.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

// take returns the warnings since the last call.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.texts
	w.texts = nil
	return out
}
