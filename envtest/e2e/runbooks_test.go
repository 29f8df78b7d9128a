package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/internal/runbooks"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The commands of docs/runbooks that need no container, in a cluster in which there is what the pages speak of.
func TestRunbooks_Commands(t *testing.T) {
	s := shared
	s.policies(t, newPolicy("wide", `{mode: Audit, match: [{podSelector: {}, namespaceSelector: {matchLabels: {wide: "yes"}}}], mutation: Disabled}`))
	s.failOpen(t)
	s.storeInvalidPolicy(t)
	s.node(t)
	ns := s.namespace(t, "", nil)
	root, err := envtest.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pod := s.looping(t, root, ns)
	s.deployOutpost(t, root, ns, "ak-outpost-main", nil)
	s.deployOutpost(t, root, ns, "main", func(spec *corev1.PodSpec) {
		spec.Volumes = []corev1.Volume{{Name: "disk", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "disk", MountPath: "/dev/shm"}}
	})
	cache := policytest.NewPod("cache", policytest.WithContainer("cache", "example.test/cache", func(c *corev1.Container) {
		c.Args = []string{"--dir=/dev/shm/cache"}
	}))
	if _, err := s.kube.CoreV1().Pods(ns).Create(t.Context(), cache, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	shell := runbooks.Shell{Dir: root, Env: s.withPlugin(t), Replace: map[string]string{
		"NAMESPACE": ns, "POD": pod, "NAME": "main", "NODE": nodeName, "POLICY": "authentik-proxy-outposts",
		"FILE": "manifests/policies/authentik-proxy-outposts.yaml",
	}}
	for _, trial := range runbooks.OnAPIServer {
		// Controllers, events and the status of policies come in their own time.
		eventually(t, func() error { return trial.Run(t.Context(), shell) })
	}
}

// withPlugin returns an environment in which bash finds kubectl with the plugin, and they the cluster.
func (s *suite) withPlugin(t *testing.T) []string {
	t.Helper()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "kubectl-shm"), "../../cmd/kubectl-shm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Symlink(s.cp.Programs.Kubectl, filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	env := s.cp.KubectlCommand(t.Context()).Env
	return append(env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// deployOutpost creates the incident's Deployment under a name.
func (s *suite) deployOutpost(t *testing.T, root, namespace, name string, change func(*corev1.PodSpec)) {
	t.Helper()
	d := s.outpost(t, root)
	d.Name, d.Namespace = name, namespace
	for _, labels := range []map[string]string{d.Spec.Selector.MatchLabels, d.Spec.Template.Labels} {
		labels["goauthentik.io/outpost-name"] = name
	}
	if change != nil {
		change(&d.Spec.Template.Spec)
	}
	if err := s.client.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		if err := s.client.Delete(ctx, d); err != nil {
			t.Error(err)
		}
	})
}

func (s *suite) outpost(t *testing.T, root string) *appsv1.Deployment {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "examples", "incident-deployment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := yaml.UnmarshalStrict(text, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// looping creates an outpost's Pod with the naive repair, and says of it what a kubelet says of one that was
// OOM-killed three times.
func (s *suite) looping(t *testing.T, root, namespace string) (name string) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "looping"}, Spec: s.outpost(t, root).Spec.Template.Spec}
	pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")}
	size := resource.MustParse("512Mi")
	pod.Spec.Volumes = []corev1.Volume{{Name: "shm", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &size},
	}}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "shm", MountPath: "/dev/shm"}}
	pods := s.kube.CoreV1().Pods(namespace)
	pod, err := pods.Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	killed := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: pod.Spec.Containers[0].Name, RestartCount: 3, LastTerminationState: killed}}
	if _, err := pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	return pod.Name
}

// failOpen has the API server count a request for which no replica answered.
func (s *suite) failOpen(t *testing.T) {
	t.Helper()
	t.Run("no replica answers", func(t *testing.T) {
		a := s.apiClient(t)
		audit, enforce := s.namespace(t, "audit", nil), s.namespace(t, "enforce", nil)
		s.serve(t)
		if got := a.create(t, audit, webPod("open")); got.Code != 0 {
			t.Errorf("mode audit: %d %s; want it admitted", got.Code, got.Error)
		}
		if got := a.create(t, enforce, webPod("closed")); got.Code != 500 {
			t.Errorf("mode enforce: %d %s; want it rejected", got.Code, got.Error)
		}
	})
}

// storeInvalidPolicy stores a policy that the webhook "policies" would reject, and waits until its status says so.
func (s *suite) storeInvalidPolicy(t *testing.T) {
	t.Helper()
	const condition = "all-but-one"
	configurations := s.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	edit := func(ctx context.Context, change func(*admissionregistrationv1.ValidatingWebhook)) error {
		return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			c, err := configurations.Get(ctx, "shmkeeper", metav1.GetOptions{})
			if err != nil {
				return err
			}
			for i := range c.Webhooks {
				if c.Webhooks[i].Name == "policies.shmkeeper.dev" {
					change(&c.Webhooks[i])
				}
			}
			_, err = configurations.Update(ctx, c, metav1.UpdateOptions{})
			return err
		})
	}
	without := func(w *admissionregistrationv1.ValidatingWebhook) {
		var kept []admissionregistrationv1.MatchCondition
		for _, c := range w.MatchConditions {
			if c.Name != condition {
				kept = append(kept, c)
			}
		}
		w.MatchConditions = kept
	}
	if err := edit(t.Context(), func(w *admissionregistrationv1.ValidatingWebhook) {
		w.MatchConditions = append(w.MatchConditions, admissionregistrationv1.MatchCondition{Name: condition, Expression: `request.name != "invalid"`})
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		if err := edit(ctx, without); err != nil {
			t.Error(err)
		}
	})
	invalid := newPolicy("invalid", `{match: [{images: ["a["]}], sizing: {fixed: {size: 64Mi}}}`)
	eventually(t, func() error { return client.IgnoreAlreadyExists(s.client.Create(t.Context(), &invalid)) })
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		for _, name := range []string{"invalid", "authentik-proxy-outposts"} {
			p := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
			if err := client.IgnoreNotFound(s.client.Delete(ctx, p)); err != nil {
				t.Error(err)
			}
		}
	})
	eventually(t, func() error {
		var p v1alpha1.SharedMemoryPolicy
		if err := s.client.Get(t.Context(), client.ObjectKeyFromObject(&invalid), &p); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionAccepted); c == nil || c.Status != metav1.ConditionFalse {
			return fmt.Errorf("the condition Accepted is %+v; want it False", c)
		}
		return nil
	})
}
