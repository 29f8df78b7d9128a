package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/internal/webhookconfig"
)

var hooksService = client.ObjectKey{Namespace: namespace, Name: "shmkeeper-webhook"}

const (
	namespace  = "shmkeeper-system"
	secretName = "shmkeeper-ca"
	hooksName  = "shmkeeper"
	serverName = "shmkeeper-webhook.shmkeeper-system.svc"
)

// cluster is client-go's fake with the resourceVersion checks that it lacks, a clock, and what was logged.
type cluster struct {
	*fake.Clientset
	clock  *clocktesting.FakeClock
	events *events.FakeRecorder
	logs   *strings.Builder

	mu      sync.Mutex
	version int

	connected map[*SelfManaged]connection // of connect alone
}

func newCluster(t *testing.T, objects ...runtime.Object) *cluster {
	t.Helper()
	c := &cluster{
		Clientset: fake.NewClientset(),
		clock:     clocktesting.NewFakeClock(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)),
		events:    events.NewFakeRecorder(1000),
		logs:      &strings.Builder{},
		connected: map[*SelfManaged]connection{},
	}
	c.PrependReactor("create", "*", c.create)
	c.PrependReactor("update", "*", c.update)
	c.PrependReactor("patch", "*", c.apply)
	for _, object := range objects {
		switch o := object.(type) {
		case *admissionv1.MutatingWebhookConfiguration:
			must(t)(c.AdmissionregistrationV1().MutatingWebhookConfigurations().Create(t.Context(), o, metav1.CreateOptions{FieldManager: "installer"}))
		case *admissionv1.ValidatingWebhookConfiguration:
			must(t)(c.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), o, metav1.CreateOptions{FieldManager: "installer"}))
		case *corev1.Secret:
			must(t)(c.CoreV1().Secrets(namespace).Create(t.Context(), o, metav1.CreateOptions{}))
		default:
			t.Fatalf("the test cluster does not create a %T", object)
		}
	}
	return c
}

func (c *cluster) create(action clienttesting.Action) (bool, runtime.Object, error) {
	create, ok := action.(clienttesting.CreateAction)
	if !ok {
		return false, nil, nil
	}
	object := create.GetObject().DeepCopyObject()
	accessor, err := meta.Accessor(object)
	if err != nil {
		return true, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stamp(accessor)
	return true, object, c.Tracker().Create(action.GetResource(), object, action.GetNamespace())
}

func (c *cluster) update(action clienttesting.Action) (bool, runtime.Object, error) {
	update, ok := action.(clienttesting.UpdateAction)
	if !ok {
		return false, nil, nil
	}
	object := update.GetObject().DeepCopyObject()
	accessor, err := meta.Accessor(object)
	if err != nil {
		return true, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.checkVersion(action, accessor.GetName(), accessor.GetResourceVersion()); err != nil {
		return true, nil, err
	}
	c.stamp(accessor)
	return true, object, c.Tracker().Update(action.GetResource(), object, action.GetNamespace())
}

func (c *cluster) apply(action clienttesting.Action) (bool, runtime.Object, error) {
	patch, ok := action.(clienttesting.PatchActionImpl)
	if !ok {
		return false, nil, nil
	}
	sent := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(patch.GetPatch(), &sent.Object); err != nil {
		return true, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if sent.GetResourceVersion() != "" { // or it may be created
		if err := c.checkVersion(action, patch.GetName(), sent.GetResourceVersion()); err != nil {
			return true, nil, err
		}
	}
	c.stamp(sent)
	if err := c.Tracker().Apply(action.GetResource(), sent, action.GetNamespace(), patch.PatchOptions); err != nil {
		return true, nil, err
	}
	result, err := c.Tracker().Get(action.GetResource(), action.GetNamespace(), patch.GetName())
	return true, result, err
}

func (c *cluster) stamp(object metav1.Object) {
	c.version++
	object.SetResourceVersion(strconv.Itoa(c.version))
}

// checkVersion returns a conflict if the live object has another resourceVersion than the one sent. None sent fits all.
func (c *cluster) checkVersion(action clienttesting.Action, name, version string) error {
	live, err := c.Tracker().Get(action.GetResource(), action.GetNamespace(), name)
	if err != nil {
		return err
	}
	accessor, err := meta.Accessor(live)
	if err != nil {
		return err
	}
	if version != "" && version != accessor.GetResourceVersion() {
		return apierrors.NewConflict(action.GetResource().GroupResource(), name, fmt.Errorf("version %s, not %s", accessor.GetResourceVersion(), version))
	}
	return nil
}

func must(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// replica starts from nothing but what the cluster holds. Its times are those of the simulation: hours instead of months.
func (c *cluster) replica(t *testing.T, edit ...func(*Options)) *SelfManaged {
	t.Helper()
	options := Options{
		Client: c, Namespace: namespace, DNSNames: ServiceNames("shmkeeper-webhook", namespace),
		CADuration: 24 * time.Hour, CertDuration: 3 * time.Hour, Settle: 20 * time.Minute, Resync: 10 * time.Minute,
		Publisher: c.publication(), Recorder: c.events, Clock: c.clock,
		Log: funcr.New(func(prefix, args string) { c.mu.Lock(); defer c.mu.Unlock(); c.logs.WriteString(prefix + args + "\n") }, funcr.Options{Verbosity: 10}),
	}
	for _, e := range edit {
		e(&options)
	}
	s, err := NewSelfManaged(options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// publication is what the API server has.
func (c *cluster) publication() webhookconfig.Publication {
	return webhookconfig.Publication{Reader: configurations{cluster: c}, Name: hooksName, Service: hooksService}
}

// injector publishes a bundle in both configurations.
func (c *cluster) injector(bundle webhookconfig.Bundle) *webhookconfig.BundleWriter {
	return &webhookconfig.BundleWriter{Client: configurations{cluster: c}, Bundle: bundle, Name: hooksName, Service: hooksService, Now: c.clock.Now}
}

// configurations reads and applies webhook configurations, on client-go's fake.
type configurations struct {
	client.Client
	cluster *cluster
}

// Get implements client.Client.
func (c configurations) Get(ctx context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	u, ok := into.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("a %T", into)
	}
	var live runtime.Object
	var err error
	kind := u.GroupVersionKind()
	if kind.Kind == webhookconfig.Mutating {
		live, err = c.cluster.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, key.Name, metav1.GetOptions{})
	} else {
		live, err = c.cluster.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(ctx, key.Name, metav1.GetOptions{})
	}
	if err != nil {
		return err
	}
	u.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	u.SetGroupVersionKind(kind)
	return err
}

// Apply implements client.Client.
func (c configurations) Apply(ctx context.Context, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var head metav1.PartialObjectMetadata
	if err := json.Unmarshal(text, &head); err != nil {
		return err
	}
	o := (&client.ApplyOptions{}).ApplyOptions(options)
	patch := metav1.PatchOptions{FieldManager: o.FieldManager, Force: o.Force}
	if head.Kind == webhookconfig.Mutating {
		_, err = c.cluster.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(ctx, head.Name, types.ApplyPatchType, text, patch)
	} else {
		_, err = c.cluster.AdmissionregistrationV1().ValidatingWebhookConfigurations().Patch(ctx, head.Name, types.ApplyPatchType, text, patch)
	}
	return err
}

func (c *cluster) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	secret, err := c.CoreV1().Secrets(namespace).Get(t.Context(), secretName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func (c *cluster) setSecret(t *testing.T, edit func(*corev1.Secret)) {
	t.Helper()
	secret := c.secret(t)
	edit(secret)
	must(t)(c.CoreV1().Secrets(namespace).Update(t.Context(), secret, metav1.UpdateOptions{}))
}

func (c *cluster) deleteSecret(t *testing.T) {
	t.Helper()
	if err := c.CoreV1().Secrets(namespace).Delete(t.Context(), secretName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// bundle is what an API server would trust: the bundle of the first mutating webhook, and that of all others must be the same.
func (c *cluster) bundle(t *testing.T) []byte {
	t.Helper()
	mutating, err := c.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), hooksName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	validating, err := c.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), hooksName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bundle := mutating.Webhooks[0].ClientConfig.CABundle
	for _, w := range mutating.Webhooks {
		if !bytes.Equal(w.ClientConfig.CABundle, bundle) {
			t.Fatal("the webhooks carry different bundles")
		}
	}
	for _, w := range validating.Webhooks {
		if !bytes.Equal(w.ClientConfig.CABundle, bundle) {
			t.Fatal("the webhooks carry different bundles")
		}
	}
	return bundle
}

func mutatingHooks(names ...string) *admissionv1.MutatingWebhookConfiguration {
	config := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: hooksName}}
	for _, name := range names {
		config.Webhooks = append(config.Webhooks, admissionv1.MutatingWebhook{
			Name: name, ClientConfig: service("/mutate"), SideEffects: ptr.To(admissionv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			FailurePolicy: ptr.To(admissionv1.Ignore),
		})
	}
	return config
}

func validatingHooks(names ...string) *admissionv1.ValidatingWebhookConfiguration {
	config := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: hooksName}}
	for _, name := range names {
		config.Webhooks = append(config.Webhooks, admissionv1.ValidatingWebhook{
			Name: name, ClientConfig: service("/validate"), SideEffects: ptr.To(admissionv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			FailurePolicy: ptr.To(admissionv1.Fail),
		})
	}
	return config
}

func service(path string) admissionv1.WebhookClientConfig {
	return admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: namespace, Name: "shmkeeper-webhook", Path: &path}}
}

func syncOrFail(t *testing.T, replicas ...*SelfManaged) {
	t.Helper()
	for _, r := range replicas {
		if err := r.sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func injectOrFail(t *testing.T, w *webhookconfig.BundleWriter) {
	t.Helper()
	if err := inject(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// inject publishes in both configurations, the second even when the first fails.
func inject(ctx context.Context, w *webhookconfig.BundleWriter) (err error) {
	for _, kind := range webhookconfig.Kinds() {
		_, failure := w.Publish(ctx, kind)
		err = errors.Join(err, failure)
	}
	return err
}

func (c *cluster) deleteSecretIfAny(t *testing.T) {
	t.Helper()
	err := c.CoreV1().Secrets(namespace).Delete(t.Context(), secretName, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
}

// overwriteBundle does what a careless installer does: it empties caBundle, or deletes a configuration and creates it again.
func (c *cluster) overwriteBundle(t *testing.T, recreate bool) {
	t.Helper()
	hooks := c.AdmissionregistrationV1().MutatingWebhookConfigurations()
	if recreate {
		if err := hooks.Delete(t.Context(), hooksName, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		must(t)(hooks.Create(t.Context(), mutatingHooks("a.shmkeeper.dev"), metav1.CreateOptions{FieldManager: "installer"}))
		return
	}
	live, err := hooks.Get(t.Context(), hooksName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	live.Webhooks[0].ClientConfig.CABundle = nil
	must(t)(hooks.Update(t.Context(), live, metav1.UpdateOptions{FieldManager: "installer"}))
}
