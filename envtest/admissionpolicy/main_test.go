package admissionpolicy

import (
	"context"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shmkeeper/shmkeeper/envtest"
)

var plane *envtest.ControlPlane

func TestMain(m *testing.M) { os.Exit(envtest.RunTests(m, start)) }

func start(ctx context.Context) (stop func() error, err error) {
	ctrllog.SetLogger(logr.Discard()) // or controller-runtime prints a stack about it
	plane, err = envtest.Start(ctx, envtest.Options{
		AuditPolicy:              envtest.AuditNone,
		WithoutControllerManager: true,
	})
	if err != nil {
		return nil, err
	}
	return plane.Stop, nil
}

// newClient returns a client, and the warnings that it gets.
func newClient(t *testing.T) (client.Client, *warnings) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w := &warnings{}
	config := rest.CopyConfig(plane.Config)
	config.WarningHandler = w
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c, w
}

// warnings collects what an API server warns a client of, which sends one request at a time.
type warnings struct{ texts []string }

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _, text string) { w.texts = append(w.texts, text) }

func (w *warnings) take() []string {
	out := w.texts
	w.texts = nil
	return out
}
