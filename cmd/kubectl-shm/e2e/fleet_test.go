package e2e

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// fleet says how many Pods to make, in how many namespaces, each of a Deployment of five.
type fleet struct{ namespaces, pods int }

const podsOfDeployment = 5

// fleetSize returns the size for tests: that of the requirement under SHMKEEPER_LONG=1.
func fleetSize() fleet {
	if os.Getenv("SHMKEEPER_LONG") == "1" {
		return fleet{namespaces: 200, pods: 5000}
	}
	return fleet{namespaces: 40, pods: 1000}
}

// planted is a workload that an audit must find, with its result.
type planted struct{ Namespace, Name, Result string }

// modes are those of the namespaces, in turn.
var modes = [...]string{"", "audit", "warn", "enforce"}

// make makes the fleet, and returns the workloads in it that violate or would be changed. Most Pods are
// matched by no policy, and some are as their policy wants them.
func (f fleet) make(t *testing.T, c *cluster) []planted {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(16)
	for i := range f.namespaces {
		g.Go(func() error { return c.client.Create(t.Context(), newNamespace(name("team", i), modes[i%len(modes)])) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	var offenders []planted
	deployments := f.pods / podsOfDeployment
	for i := range deployments {
		ns, pod, result := name("team", i%f.namespaces), policytest.NewPod("", policytest.WithContainer("main", "nginx", policytest.MemoryLimit("512Mi"), policytest.MemoryRequest("64Mi"))), ""
		switch {
		case i%97 == 13:
			pod.Labels, result = map[string]string{"app": "strict"}, "violating"
		case i%41 == 7:
			pod.Labels, result = map[string]string{"app": "web"}, "changed"
		case i%11 == 3:
			policytest.With(pod, policytest.Labels(map[string]string{"app": "web"}), policytest.WithMemoryVolume("shm", "256Mi"))
			policytest.Mount("shm", "/dev/shm")(&pod.Spec.Containers[0])
		default:
			pod.Labels = map[string]string{"app": "other"}
		}
		workload := name("web", i)
		if result != "" {
			offenders = append(offenders, planted{ns, workload, result})
		}
		g.Go(func() error { return makeDeployment(t, c, ns, workload, pod, podsOfDeployment) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return offenders
}

// makeDeployment makes a Deployment with its ReplicaSet and Pods, as the controllers do.
func makeDeployment(t *testing.T, c *cluster, namespace, workload string, pod *corev1.Pod, pods int) error {
	selector := &metav1.LabelSelector{MatchLabels: pod.Labels}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec}
	meta := metav1.ObjectMeta{Namespace: namespace, Name: workload}
	d := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: selector, Template: template, Replicas: new(int32(pods))}}
	if err := c.client.Create(t.Context(), d); err != nil {
		return err
	}
	meta.Name += "-5d8f"
	meta.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}
	r := &appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Selector: selector, Template: template, Replicas: new(int32(pods))}}
	if err := c.client.Create(t.Context(), r); err != nil {
		return err
	}
	for i := range pods {
		one := pod.DeepCopy()
		one.Namespace, one.Name = namespace, fmt.Sprintf("%s-%d", meta.Name, i)
		one.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(r, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
		if err := c.client.Create(t.Context(), one); err != nil {
			return err
		}
	}
	return nil
}

// setQuota makes a quota of limits.memory, and its status as the controller has it.
func (c *cluster) setQuota(t *testing.T, namespace, hard, used string) {
	t.Helper()
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "memory"}}
	q.Spec.Hard = corev1.ResourceList{corev1.ResourceLimitsMemory: quantity(hard)}
	c.create(t, client.Object(q))
	q.Status = corev1.ResourceQuotaStatus{Hard: q.Spec.Hard, Used: corev1.ResourceList{corev1.ResourceLimitsMemory: quantity(used)}}
	if err := c.client.Status().Update(t.Context(), q); err != nil {
		t.Fatal(err)
	}
}
