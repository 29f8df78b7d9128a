package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// installServer installs shmkeeper as it ships, and has a replica answer.
func (c *cluster) installServer(t *testing.T) {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	program, err := install.Build(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := install.Apply(ctx, c.ControlPlane, "default"); err != nil {
		t.Fatal(err)
	}
	replica, err := install.StartReplica(ctx, c.ControlPlane, program, dir, "first", "--ca-settle=1s", "--ca-resync=500ms")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := replica.Kill(); err != nil {
			t.Log(err)
		}
	})
	install.ServeReplicas(c.ControlPlane, replica)
}

// eventually waits until there is no error.
func eventually(t *testing.T, within time.Duration, try func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, within, true, func(context.Context) (bool, error) {
		last = try()
		return last == nil, nil
	})
	if err != nil {
		t.Fatal(last)
	}
}

// playKubelet has all Pods of a namespace but those of an app run and be ready, until the test ends:
// there are no nodes.
func (c *cluster) playKubelet(t *testing.T, namespace, but string) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			var pods corev1.PodList
			if err := c.client.List(ctx, &pods, client.InNamespace(namespace)); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			for i := range pods.Items {
				p := &pods.Items[i]
				if p.DeletionTimestamp != nil {
					_ = c.client.Delete(ctx, p, client.GracePeriodSeconds(0)) // it may be gone
				} else if p.Status.Phase != corev1.PodRunning && p.Labels["app"] != but {
					p.Status.Phase = corev1.PodRunning
					p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}
					_ = c.client.Status().Update(ctx, p) // or the next time
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func deployment(namespace, name, app string, replicas int32) *appsv1.Deployment {
	pod := policytest.NewPod("", policytest.WithContainer("web", "nginx", policytest.MemoryLimit("512Mi"), policytest.MemoryRequest("64Mi")))
	labels := map[string]string{"app": app, "name": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod.Spec},
		},
	}
}

// available waits until a Deployment is.
func (c *cluster) available(t *testing.T, namespace, name string, replicas int32) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		var d appsv1.Deployment
		if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &d); err != nil {
			return err
		}
		if d.Status.AvailableReplicas != replicas || d.Status.ObservedGeneration < d.Generation {
			return errors.New(name + " is not available")
		}
		return nil
	})
}

// plannedRestart is the part of the JSON that the test reads.
type plannedRestart struct {
	Kind, Name, WhyNot string
	Pods, LackingPods  int
	Restart            bool
}

func (c *cluster) planned(t *testing.T) map[string]plannedRestart {
	t.Helper()
	got := c.shm("rollout", "-o", "json", "-n", rolloutNamespace, "-l", rolloutSelector)
	if got.Code != cli.ExitOK || got.ErrOut != "" {
		t.Fatalf("%+v", got)
	}
	var list []plannedRestart
	if err := json.Unmarshal([]byte(got.Out), &list); err != nil {
		t.Fatal(err)
	}
	out := map[string]plannedRestart{}
	for _, p := range list {
		out[p.Kind+"/"+p.Name] = p
	}
	return out
}

// rolloutNamespace is where TestRollout works, on the workloads that rolloutSelector selects.
const (
	rolloutNamespace = "shop"
	rolloutSelector  = "app in (web,strict)"
)

func TestRollout(t *testing.T) {
	const ns = rolloutNamespace
	c := start(t, envtest.Options{})
	c.create(t, newNamespace(ns, ""))
	eventually(t, time.Minute, func() error {
		return c.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "default"}, &corev1.ServiceAccount{})
	})
	c.playKubelet(t, ns, "stuck")
	c.runBefore(t)
	c.installServer(t)
	for _, app := range []string{"web", "stuck", "late"} {
		c.create(t, unstored(policytest.AppPolicy(app, app)))
	}
	c.create(t, unstored(strictPolicy()))
	t.Run("nothing is restarted before the namespace is in mode enforce", c.notOptedIn)
	c.enforce(t)
	t.Run("the list says what would be restarted, and why not", c.list)
	t.Run("the server checks a dry run", func(t *testing.T) {
		got := c.shm("rollout", "-n", ns, "-l", rolloutSelector, "--dry-run=server")
		if got.Code != cli.ExitOK || !strings.Contains(got.Out, "2 workloads would be restarted, 4 left alone") {
			t.Errorf("%+v", got)
		}
		c.noRestart(t, ns, "web-a", "web-b")
	})
	t.Run("one after the other", c.oneAfterTheOther)
	t.Run("the first failure is the end", func(t *testing.T) {
		got := c.shm("rollout", "-n", ns, "-l", "app in (stuck,late)", "--dry-run=none", "--timeout", "3s")
		if got.Code != cli.ExitRejected {
			t.Errorf("exit status %d, want %d", got.Code, cli.ExitRejected)
		}
		mustContain(t, got.Out, "Deployment/a-stuck: restarting, 1 of 1 Pods lack it: ")
		mustContain(t, got.ErrOut, "error: Deployment/a-stuck: not ready within 3s: ", "undo it with kubectl -n shop rollout undo deployment/a-stuck; 1 after it were not looked at\n")
		c.noRestart(t, ns, "z-late")
	})
}

// runBefore has workloads run before shmkeeper is there.
func (c *cluster) runBefore(t *testing.T) {
	const ns = rolloutNamespace
	onDelete := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "by-hand"}}
	onDelete.Spec.Template = deployment(ns, "by-hand", "web", 1).Spec.Template
	onDelete.Spec.Selector, onDelete.Spec.Replicas = &metav1.LabelSelector{MatchLabels: onDelete.Spec.Template.Labels}, new(int32(1))
	onDelete.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType
	c.create(t, onDelete, policytest.NewPod("bare", policytest.Namespace(ns), policytest.Labels(map[string]string{"app": "web"}), policytest.WithContainer("web", "nginx")))
	c.create(t, deployment(ns, "a-stuck", "stuck", 1))
	for name, d := range map[string]*appsv1.Deployment{
		"web-a": deployment(ns, "web-a", "web", 2), "web-b": deployment(ns, "web-b", "web", 1), "strict": deployment(ns, "strict", "strict", 1),
		"other": deployment(ns, "other", "other", 1), "paused": deployment(ns, "paused", "web", 1), "z-late": deployment(ns, "z-late", "late", 1),
	} {
		n := *d.Spec.Replicas
		c.create(t, d)
		c.available(t, ns, name, n)
	}
}

func (c *cluster) notOptedIn(t *testing.T) {
	for name, p := range c.planned(t) {
		if p.Restart || p.WhyNot == "" {
			t.Errorf("%s would be restarted: %+v", name, p)
		}
	}
	got := c.shm("rollout", "-n", rolloutNamespace, "-l", rolloutSelector, "--dry-run=none")
	if got.Code != cli.ExitOK || !strings.HasSuffix(got.Out, "0 restarted, 6 left alone\n") {
		t.Errorf("%+v", got)
	}
}

// enforce opts the namespace in, and waits until the webhooks are called.
func (c *cluster) enforce(t *testing.T) {
	const ns = rolloutNamespace
	c.kubectl(t, "label", "namespace", ns, "shmkeeper.dev/mode=enforce")
	c.kubectl(t, "-n", ns, "patch", "deployment", "paused", "-p", `{"spec":{"paused":true}}`)
	eventually(t, time.Minute, func() error {
		probe := policytest.NewPod("probe", policytest.Namespace(ns), policytest.Labels(map[string]string{"app": "web"}), policytest.WithContainer("web", "nginx"))
		if err := c.client.Create(t.Context(), probe, client.DryRunAll); err != nil {
			return err
		}
		if len(probe.Spec.Volumes) < 2 {
			return errors.New("the webhook does not change Pods yet")
		}
		return nil
	})
}

func (c *cluster) list(t *testing.T) {
	got := c.planned(t)
	for name, why := range map[string]string{
		"Deployment/web-a": "", "Deployment/web-b": "",
		"Deployment/strict":   "its new Pods would be rejected: ",
		"Deployment/paused":   "it is paused: kubectl rollout resume it first",
		"StatefulSet/by-hand": "it replaces its Pods only when they are deleted (updateStrategy OnDelete): delete them one by one",
		"Pod/bare":            "kubectl rollout restart does not restart a Pod: create its Pods again by what makes them",
	} {
		p, found := got[name]
		if !found || p.Restart != (why == "") || !strings.HasPrefix(p.WhyNot, why) {
			t.Errorf("%s: %+v, found: %v, want %q", name, p, found, why)
		}
	}
	if len(got) != 6 {
		t.Errorf("%d workloads, want 6: %+v", len(got), got)
	}
	c.noRestart(t, rolloutNamespace, "web-a", "web-b")
}

func (c *cluster) oneAfterTheOther(t *testing.T) {
	got := c.shm("rollout", "-n", rolloutNamespace, "-l", rolloutSelector, "--dry-run=none", "--timeout", "1m")
	// The server warns about what it does to the Pods of a workload that is applied.
	if got.Code != cli.ExitOK || strings.Count(got.ErrOut, "Warning: ") != 1 || strings.Count(got.ErrOut, "\n") != 1 {
		t.Fatalf("%+v", got)
	}
	mustContain(t, got.Out, "Deployment/web-a: ready after ", "Deployment/web-b: ready after ", "2 restarted, 4 left alone\n")
	if strings.Index(got.Out, "web-b: restarting") < strings.Index(got.Out, "web-a: ready") {
		t.Errorf("web-b did not wait for web-a:\n%s", got.Out)
	}
	var pods corev1.PodList
	if err := c.client.List(t.Context(), &pods, client.InNamespace(rolloutNamespace), client.MatchingLabels{"name": "web-a"}); err != nil {
		t.Fatal(err)
	}
	sized := 0
	for i := range pods.Items {
		if pods.Items[i].Annotations["shmkeeper.dev/policy"] == "web" {
			sized++
		}
	}
	if sized != 2 {
		t.Errorf("%d Pods of web-a were sized, want 2", sized)
	}
	if again := c.planned(t); len(again) != 4 {
		t.Errorf("after it: %+v", again)
	}
}

// noRestart fails if Deployments were restarted.
func (c *cluster) noRestart(t *testing.T, namespace string, names ...string) {
	t.Helper()
	for _, name := range names {
		var d appsv1.Deployment
		if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &d); err != nil {
			t.Fatal(err)
		}
		if at, found := d.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"]; found {
			t.Errorf("%s was restarted at %s", name, at)
		}
	}
}
