package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// gate lets a resize change the sizeLimit of a volume.
const gate = "InPlacePodVerticalScalingMemoryBackedVolumes"

// node creates a node whose kubelet declares features.
func (c *cluster) node(t *testing.T, name string, features ...string) {
	t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	c.create(t, n)
	n.Status.DeclaredFeatures = features
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi"), corev1.ResourcePods: resource.MustParse("10")}
	n.Status.Capacity = n.Status.Allocatable
	n.Status.NodeInfo.KubeletVersion = "v1.37.1"
	if err := c.client.Status().Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// allocate sets the memory that a node has for Pods.
func (c *cluster) allocate(t *testing.T, name, memory string) {
	t.Helper()
	var n corev1.Node
	if err := c.client.Get(t.Context(), client.ObjectKey{Name: name}, &n); err != nil {
		t.Fatal(err)
	}
	n.Status.Allocatable[corev1.ResourceMemory] = resource.MustParse(memory)
	if err := c.client.Status().Update(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
}

// run creates a Pod on a node, and says of it what a kubelet says of one that runs.
func (c *cluster) runPod(t *testing.T, node string, pod *corev1.Pod) {
	t.Helper()
	pod.Spec.NodeName = node
	c.create(t, pod)
	pod.Status.Phase = corev1.PodRunning
	now := metav1.Now()
	pod.Status.StartTime = &now
	for i := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: pod.Spec.Containers[i].Name, Resources: pod.Spec.Containers[i].Resources.DeepCopy(), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		})
	}
	if err := c.client.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
}

// small returns a Pod whose volume and memory are less than the policy of its app gives.
func small(name, app string) *corev1.Pod {
	return policytest.NewPod(name, policytest.Namespace("shop"), policytest.Labels(map[string]string{"app": app}),
		policytest.WithMemoryVolume("shm", "64Mi"),
		policytest.WithContainer("web", "nginx", policytest.MemoryRequest("32Mi"), policytest.MemoryLimit("128Mi"), policytest.Mount("shm", "/dev/shm")))
}

// resizeAnswer is what kubectl shm resize says in JSON.
type resizeAnswer struct {
	Changes []struct {
		Volume, Container, Field, From, To, Why string
		Possible                                bool
	}
	OnlyInANewPod []string
	Applied       *struct {
		Done             bool
		Pending, Message string
	}
}

// resize runs the verb, which must end with a status.
func (c *cluster) resize(t *testing.T, status int, args ...string) resizeAnswer {
	t.Helper()
	got := c.shm(append([]string{"resize", "-n", "shop", "-o", "json"}, args...)...)
	var r resizeAnswer
	if err := json.Unmarshal([]byte(got.Out), &r); err != nil || got.Code != status {
		t.Fatalf("resize %s: exit status %d, want %d; %v: %s%s", args, got.Code, status, err, got.Out, got.ErrOut)
	}
	return r
}

// lines returns the changes, each in a line.
func (r *resizeAnswer) lines() []string {
	var out []string
	for _, c := range r.Changes {
		out = append(out, fmt.Sprintf("%s%s %s %s %s %v", c.Volume, c.Container, c.Field, c.From, c.To, c.Possible))
	}
	return out
}

func TestResize_SaysWhatTheClusterCanDo(t *testing.T) {
	c := startInstalled(t, map[string]bool{gate: true})
	c.create(t, newNamespace("shop", ""), unstored(policytest.AppPolicy("web", "web")))
	c.node(t, "able", gate)
	c.node(t, "plain")
	c.runPod(t, "able", small("able-0", "web"))
	c.runPod(t, "plain", small("plain-0", "web"))
	c.runPod(t, "able", policytest.With(policytest.NewPod("bare-0"), policytest.Namespace("shop"), policytest.Labels(map[string]string{"app": "web"}), policytest.WithContainer("web", "nginx", policytest.MemoryLimit("128Mi"))))
	c.runPod(t, "able", small("other-0", "other"))
	c.node(t, "tight", gate)
	c.allocate(t, "tight", "100Mi")
	c.runPod(t, "tight", small("tight-0", "web"))

	t.Run("a node with the feature", func(t *testing.T) {
		r := c.resize(t, cli.ExitOK, "able-0")
		if got := strings.Join(r.lines(), "\n"); len(r.Changes) != 3 || strings.Contains(got, "false") || r.Applied != nil {
			t.Errorf("got\n%s\n%+v; want three changes, all possible, none done", got, r)
		}
		mustContain(t, c.shm("resize", "-n", "shop", "pod/able-0").Out, "volume shm: sizeLimit", "64Mi", "256Mi", "Nothing was changed: --dry-run=none does it.")
		var pod corev1.Pod
		if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "able-0"}, &pod); err != nil || pod.Spec.Volumes[0].EmptyDir.SizeLimit.String() != "64Mi" {
			t.Errorf("after a dry run the volume has %s, %v; want 64Mi", pod.Spec.Volumes[0].EmptyDir.SizeLimit, err)
		}
	})
	t.Run("a node without it", func(t *testing.T) {
		r := c.resize(t, cli.ExitRejected, "plain-0")
		for _, change := range r.Changes {
			if want := change.Field != "sizeLimit"; change.Possible != want {
				t.Errorf("%s of %s%s: possible is %v, %s; want %v", change.Field, change.Volume, change.Container, change.Possible, change.Why, want)
			}
			if change.Field == "sizeLimit" {
				mustContain(t, change.Why, gate, `node "plain"`)
			}
		}
	})
	t.Run("a node without the room", func(t *testing.T) {
		r := c.resize(t, cli.ExitRejected, "tight-0")
		for _, change := range r.Changes {
			want := "it is not enlarged without the memory that it costs"
			if change.Field != "sizeLimit" {
				want = "node didn't have enough allocatable resources: memory"
			}
			if change.Possible || !strings.Contains(change.Why, want) {
				t.Errorf("%s: possible is %v, %s; want %s", change.Field, change.Possible, change.Why, want)
			}
		}
	})
	t.Run("no kubelet answers", func(t *testing.T) {
		r := c.resize(t, cli.ExitRejected, "able-0", "--dry-run=none", "--timeout=2s")
		if r.Applied == nil || r.Applied.Done || r.Applied.Pending == "" {
			t.Errorf("got %+v; want that it waits for the kubelet", r.Applied)
		}
		var pod corev1.Pod
		if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "able-0"}, &pod); err != nil || pod.Spec.Volumes[0].EmptyDir.SizeLimit.String() != "256Mi" {
			t.Errorf("the volume has %s, %v; want 256Mi", pod.Spec.Volumes[0].EmptyDir.SizeLimit, err)
		}
		again := c.shm("resize", "-n", "shop", "able-0")
		mustContain(t, again.Out, "It has what its policy gives: there is nothing to raise.")
	})
	c.errors(t)
	c.fewRights(t)
}

// errors tries what is wrong with a command, or with a Pod.
func (c *cluster) errors(t *testing.T) {
	t.Helper()
	t.Run("a volume that is not there", func(t *testing.T) {
		r := c.resize(t, cli.ExitRejected, "bare-0")
		if len(r.OnlyInANewPod) != 2 {
			t.Errorf("got %q; want that the volume and its mount need a new Pod", r.OnlyInANewPod)
		}
	})
	for name, r := range map[string]struct {
		args []string
		want string
	}{
		"no policy":      {[]string{"other-0"}, `no policy matches Pod "other-0" (of the cluster's policies): name the one to use with -p`},
		"no such Pod":    {[]string{"nobody"}, `read Pod "nobody" in namespace "shop": pods "nobody" not found: check the name, and the namespace with -n`},
		"no name":        {nil, "kubectl shm resize takes the name of one Pod, and there are 0: kubectl get pods lists them"},
		"an odd name":    {[]string{"Not/A Pod"}, `"Not/A Pod" is not the name of a Pod: kubectl get pods lists them`},
		"an odd time":    {[]string{"able-0", "--timeout=0s"}, "--timeout: 0s is not above 0: write a time such as 90s"},
		"an odd dry run": {[]string{"able-0", "--dry-run=maybe"}, "write server or none"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.shm(append([]string{"resize", "-n", "shop"}, r.args...)...)
			if got.Code != cli.ExitUsage || !strings.Contains(got.ErrOut, r.want) {
				t.Errorf("exit status %d, %q; want %q in it", got.Code, got.ErrOut, r.want)
			}
		})
	}
}

// fewRights tries a user who may look and not resize.
func (c *cluster) fewRights(t *testing.T) {
	t.Helper()
	t.Run("a user who may look and not resize", func(t *testing.T) {
		c.kubectl(t, "create", "clusterrole", "looks", "--verb=get,list", "--resource=pods,sharedmemorypolicies.shmkeeper.dev,limitranges,namespaces")
		c.kubectl(t, "create", "clusterrolebinding", "looks", "--clusterrole=looks", "--user=jane")
		r := c.resize(t, cli.ExitRejected, "plain-0", "--as=jane")
		for _, change := range r.Changes {
			if change.Field == "sizeLimit" {
				continue
			}
			if change.Possible || !strings.Contains(change.Why, "you may not do it: ask for the right to patch pods/resize in this namespace") {
				t.Errorf("%s: possible is %v, %s; want the right that is missing", change.Field, change.Possible, change.Why)
			}
		}
	})
}

// Without the gate the API server takes a resize, and silently leaves the sizeLimit as it is.
func TestResize_WithoutTheGate(t *testing.T) {
	c := startInstalled(t, nil)
	c.create(t, newNamespace("shop", ""), unstored(policytest.AppPolicy("web", "web")))
	c.node(t, "plain")
	c.runPod(t, "plain", small("plain-0", "web"))
	got := c.shm("resize", "-n", "shop", "plain-0")
	if got.Code != cli.ExitRejected {
		t.Errorf("exit status %d, %s; want %d", got.Code, got.ErrOut, cli.ExitRejected)
	}
	mustContain(t, got.Out, "volume shm: sizeLimit: no: the API server leaves the sizeLimit as it is: its feature gate "+gate, "--dry-run=none does what is possible")
	r := c.resize(t, cli.ExitRejected, "plain-0", "--dry-run=none", "--timeout=2s")
	for _, change := range r.Changes {
		if want := change.Field != "sizeLimit"; change.Possible != want {
			t.Errorf("%s: possible is %v; want %v", change.Field, change.Possible, want)
		}
	}
	var pod corev1.Pod
	if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "plain-0"}, &pod); err != nil || pod.Spec.Containers[0].Resources.Limits.Memory().Value() <= 256<<20 {
		t.Errorf("the container is limited to %s, %v; want what a volume of 256Mi costs beside its own", pod.Spec.Containers[0].Resources.Limits.Memory(), err)
	}
}

// Where nobody can look, the Pod's own status and the policies still say something.
func TestLooking_WithoutAKubelet(t *testing.T) {
	c := startInstalled(t, nil)
	c.create(t, newNamespace("shop", "enforce"), newNamespace("empty", ""), unstored(policytest.AppPolicy("web", "web")))
	c.node(t, "plain")
	c.runPod(t, "plain", small("web-0", "web"))

	if got := c.shm("top", "-n", "empty", "--interval=0"); got.Code != cli.ExitOK || got.Out != "No Pod with a /dev/shm of its own runs in namespace \"empty\".\n" {
		t.Errorf("top of nothing: %+v", got)
	}
	if got := c.shm("top", "-n", "shoop", "--interval=0"); got.Code != cli.ExitUsage || got.ErrOut != "error: -n: there is no namespace \"shoop\": kubectl get namespaces lists what there is\n" {
		t.Errorf("top of a namespace that is not there: %+v", got)
	}
	if got := c.shm("top", "-n", "shop", "--interval=0"); got.Code != cli.ExitOK || !strings.HasPrefix(got.ErrOut, "could not be read: shop/web-0 /dev/shm: ") {
		t.Errorf("top of a Pod whose node does not answer: %+v", got)
	}
	if got := c.shm("diagnose", "-n", "shop", "web-0"); got.Code != cli.ExitOK || !strings.Contains(got.Out, "could not be looked into") || !strings.Contains(got.Out, "POLICY   web matches; the namespace is in mode enforce. It gives a volume of 256Mi") {
		t.Errorf("diagnose: %+v", got)
	}
	c.kubectl(t, "create", "clusterrole", "looks", "--verb=get,list", "--resource=pods,sharedmemorypolicies.shmkeeper.dev,limitranges,namespaces,replicasets.apps,jobs.batch")
	c.kubectl(t, "create", "clusterrolebinding", "looks", "--clusterrole=looks", "--user=jane")
	for _, args := range [][]string{{"top", "--interval=0"}, {"diagnose", "web-0"}, {"recommend"}} {
		got := c.shm(append(args, "-n", "shop", "--as=jane")...)
		if got.Code != cli.ExitUsage || got.Out != "" || !strings.Contains(got.ErrOut, `cannot create resource "pods/exec"`) || !strings.Contains(got.ErrOut, "ask for this right") {
			t.Errorf("%s without the right to execute commands: %+v", args, got)
		}
	}
	for name, r := range map[string]struct {
		args []string
		want string
	}{
		"a negative interval":       {[]string{"top", "--interval=-1s"}, "--interval: -1s is not a time from 0 on: write one such as 10s"},
		"an interval too short":     {[]string{"top", "--watch", "--interval=10ms"}, "--interval: 10ms is too short for --watch: write at least 1s"},
		"nobody at once":            {[]string{"top", "--concurrency=0"}, "--concurrency: 0 is not from 1 to 256"},
		"an image that is not used": {[]string{"diagnose", "web-0", "--image=busybox"}, "--image: it is used only with --allow-ephemeral-container: add that, or leave it out"},
		"an invalid image":          {[]string{"top", "--allow-ephemeral-container", "--image="}, `--image: "" is not the name of an image`},
		"an argument":               {[]string{"top", "web-0"}, `"web-0": kubectl shm top takes no arguments: remove it`},
		"a format of another verb":  {[]string{"diagnose", "web-0", "-o", "html"}, "write text, json or yaml"},
		"a format of none":          {[]string{"recommend", "-o", "pdf"}, "write table, wide, json, yaml, csv, html or policies"},
		"a page that never ends":    {[]string{"top", "--watch", "-o", "html"}, "--output: html is one page, and --watch goes on writing: leave out --watch, or write table, wide, json, yaml or csv"},
		"a window of nobody":        {[]string{"recommend", "--window", "24h"}, "--window: it is the time of a peak that only a Prometheus knows: add --prometheus-url, or leave it out"},
		"nothing is executed":       {[]string{"top", "--prometheus-url", "http://localhost:1", "--allow-ephemeral-container"}, "--allow-ephemeral-container: it has no effect with --prometheus-url"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.shm(append(r.args, "-n", "shop")...)
			if got.Code != cli.ExitUsage || got.Out != "" || !strings.Contains(got.ErrOut, r.want) {
				t.Errorf("exit status %d, %q; want %q in it", got.Code, got.ErrOut, r.want)
			}
		})
	}
}
