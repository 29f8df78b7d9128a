package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// ofAdmission are the reasons of the events about Pods as they are created, and not as they run.
var ofAdmission = []string{"PodChanged", "PodRejected", "PodWouldBeChanged", "PodWouldBeRejected"}

// admissionEvents returns the events of a namespace about Pods as they are created, sorted.
func (s *suite) admissionEvents(ctx context.Context, namespace string) (out []string, err error) {
	list, err := s.kube.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "reportingComponent=shmkeeper"})
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		e := &list.Items[i]
		if slices.Contains(ofAdmission, e.Reason) {
			out = append(out, fmt.Sprintf("%s %s %s/%s %s: %s", e.Type, e.Reason, e.InvolvedObject.Kind, e.InvolvedObject.Name, e.InvolvedObject.UID, e.Message))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// mustSay waits until the events of a namespace are these.
func (s *suite) mustSay(t *testing.T, namespace string, want ...string) {
	t.Helper()
	slices.Sort(want)
	eventually(t, func() error {
		got, err := s.admissionEvents(t.Context(), namespace)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("events of namespace %s (-want +got):\n%s", namespace, diff)
		}
		return nil
	})
}

// createDeployment creates a Deployment of a Pod, until the end of the test.
func (s *suite) createDeployment(t *testing.T, namespace string, replicas int32, pod *corev1.Pod) *appsv1.Deployment {
	t.Helper()
	d := deploymentOf(pod)
	d.Namespace, d.Spec.Replicas = namespace, &replicas
	if err := s.client.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	s.deleteDeployment(t, namespace, pod.Name)
	return d
}

// mustFail waits until the Pods of a Deployment could not be created, which its ReplicaSet says.
func (s *suite) mustFail(t *testing.T, d *appsv1.Deployment) {
	t.Helper()
	eventually(t, func() error {
		for _, c := range s.deployment(t, d.Namespace, d.Name).Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("Deployment %q does not say that its Pods cannot be created", d.Name)
	})
}

// What happens to the Pods of a Deployment is said about the Deployment, once however many Pods it has, in the words of the mode.
func TestEvents_WhatBecomesOfPodsIsSaidAboutTheWorkload(t *testing.T) {
	s := shared
	s.policies(t, webPolicy())
	for mode, words := range map[string]struct{ changed, rejected string }{
		"enforce": {
			`Normal PodChanged Deployment/fine %s: Pods are changed as they are created: SharedMemoryPolicy "web" ` + changeWords,
			`Warning PodRejected Deployment/disk %s: a Pod was rejected: it violates SharedMemoryPolicy "web": ` + diskDetail,
		},
		"warn": {
			`Normal PodWouldBeChanged Deployment/fine %s: in mode enforce Pods would be changed as they are created: SharedMemoryPolicy "web" ` + changeWords,
			`Warning PodWouldBeRejected Deployment/disk %s: in mode enforce Pods would be rejected: each would violate SharedMemoryPolicy "web": ` + diskDetail,
		},
		"audit": {
			`Normal PodWouldBeChanged Deployment/fine %s: in mode enforce Pods would be changed as they are created: SharedMemoryPolicy "web" ` + changeWords,
			`Warning PodWouldBeRejected Deployment/disk %s: in mode enforce Pods would be rejected: each would violate SharedMemoryPolicy "web": ` + diskDetail,
		},
	} {
		ns := s.namespace(t, mode, nil)
		fine := s.createDeployment(t, ns, 3, webPod("fine"))
		disk := s.createDeployment(t, ns, 2, webPod("disk", onDisk))
		if mode == "enforce" {
			s.mustFail(t, disk)
			if list, err := s.kube.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{LabelSelector: "deployment=disk"}); err != nil || len(list.Items) > 0 {
				t.Fatalf("a Pod that is rejected exists: %d, %v", len(list.Items), err)
			}
		}
		s.mustSay(t, ns, fmt.Sprintf(words.changed, fine.UID), fmt.Sprintf(words.rejected, disk.UID))
	}
}

// It is about a CronJob, and not about each of its Jobs; about a StatefulSet; and about nothing where nobody controls the Pod.
func TestEvents_FindTheWorkload(t *testing.T) {
	s := shared
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	pod := webPod("backup")
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec}
	cron := &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Name: "backup", Namespace: ns},
		Spec: batchv1.CronJobSpec{
			Schedule: "0 0 1 1 *", Suspend: new(true), JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: template}},
		},
	}
	if err := s.client.Create(t.Context(), cron); err != nil {
		t.Fatal(err)
	}
	// As kubectl create job --from does.
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "backup-now", Namespace: ns, OwnerReferences: []metav1.OwnerReference{
			*metav1.NewControllerRef(cron, batchv1.SchemeGroupVersion.WithKind("CronJob")),
		}},
		Spec: batchv1.JobSpec{Template: template},
	}
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "store", Namespace: ns},
		Spec: appsv1.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"set": "store"}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web", "set": "store"}}, Spec: webPod("").Spec},
		},
	}
	alone := webPod("alone")
	alone.Namespace = ns
	for _, o := range []client.Object{alone, job, set} {
		if err := s.client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	changed := func(kind, name string, of metav1.Object) string {
		return fmt.Sprintf(`Normal PodChanged %s/%s %s: Pods are changed as they are created: SharedMemoryPolicy "web" %s`, kind, name, of.GetUID(), changeWords)
	}
	s.mustSay(t, ns, changed("CronJob", "backup", cron), changed("StatefulSet", "store", set))
}

// Of a dry run nothing is said. What is said of the Pod after it shows that there was time enough.
func TestEvents_NoneOfADryRun(t *testing.T) {
	s := shared
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	owned := func(name string, options ...policytest.PodOption) *corev1.Pod {
		pod := webPod(name, options...)
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "example.org/v1", Kind: "Fleet", Name: name, UID: "5f3a9c6d-0000-4000-8000-000000000001", Controller: new(true)}}
		return pod
	}
	a := s.apiClient(t)
	for range 5 {
		if got := a.create(t, ns, owned("dry"), metav1.DryRunAll); got.Code != 0 {
			t.Fatal(got.Error)
		}
		if got := a.create(t, ns, owned("dry", onDisk), metav1.DryRunAll); got.Code != 403 {
			t.Fatalf("%d %s", got.Code, got.Error)
		}
	}
	if got := a.create(t, ns, owned("wet")); got.Code != 0 {
		t.Fatal(got.Error)
	}
	s.mustSay(t, ns, `Normal PodChanged Fleet/wet 5f3a9c6d-0000-4000-8000-000000000001: Pods are changed as they are created: SharedMemoryPolicy "web" `+changeWords)
}

// Without the right to write events Pods are admitted and rejected as ever, and the log has one line.
func TestEvents_WithoutTheRight(t *testing.T) {
	s := shared
	s.policies(t, webPolicy())
	s.withoutEvents(t)
	scraper := s.scraper(t)
	monitoring := s.namespace(t, "", nil)
	s.bindCluster(t, "shmkeeper-metrics-reader", monitoring, "prometheus")
	token := s.token(t, monitoring, "prometheus")
	s.serve(t, scraper.replica)
	const namespaces, workloads = 4, 5
	var deployments []*appsv1.Deployment
	for range namespaces {
		ns := s.namespace(t, "enforce", nil)
		for i := range workloads {
			deployments = append(deployments, s.createDeployment(t, ns, 1, webPod(fmt.Sprintf("disk-%d", i), onDisk)))
		}
		fine := s.createDeployment(t, ns, 1, webPod("fine"))
		if err := sized(s.rolledPod(t, ns, fine.Name), "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
			t.Error(err)
		}
	}
	for _, d := range deployments {
		s.mustFail(t, d)
	}
	dropped := regexp.MustCompile(`(?m)^shmkeeper_workload_events_dropped_total (\S+)$`)
	eventually(t, func() error {
		_, body := scraper.scrape(t, token)
		m := dropped.FindStringSubmatch(body)
		if m == nil {
			return fmt.Errorf("there is no metric of events that are dropped:\n%s", body)
		}
		if n, err := strconv.ParseFloat(m[1], 64); err != nil || n < namespaces*(workloads+1) {
			return fmt.Errorf("%s events are counted as dropped, want %d", m[1], namespaces*(workloads+1))
		}
		return nil
	})
	text, err := os.ReadFile(scraper.replica.Log)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(strings.ToLower(line), "event") && !strings.Contains(line, "EventSource") { // of controllers
			said = append(said, line)
		}
	}
	if len(said) != 1 || !strings.Contains(said[0], "Events about workloads are not written; nothing else depends on them") || !strings.Contains(said[0], "forbidden") {
		t.Errorf("the log has %d lines about events, want one:\n%s", len(said), strings.Join(said, ""))
	}
	for _, d := range deployments {
		if got, err := s.admissionEvents(t.Context(), d.Namespace); err != nil || len(got) > 0 {
			t.Fatalf("events without the right: %q, %v", got, err)
		}
	}
}

// withoutEvents takes from the server the right to write events, until the end of the test.
func (s *suite) withoutEvents(t *testing.T) {
	t.Helper()
	const name = "shmkeeper-events"
	bindings := s.kube.RbacV1().ClusterRoleBindings()
	binding, err := bindings.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := bindings.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	binding.ResourceVersion, binding.UID = "", ""
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		if err := retry.OnError(retry.DefaultBackoff, func(error) bool { return true }, func() error {
			_, err := bindings.Create(ctx, binding, metav1.CreateOptions{})
			return err
		}); err != nil {
			t.Error(err)
		}
	})
	// An API server's own view of the binding is a moment late.
	may := func() error {
		text, _ := s.cp.Kubectl(t.Context(), "auth", "can-i", "create", "events", "--as=system:serviceaccount:shmkeeper-system:shmkeeper")
		if strings.TrimSpace(text) != "no" {
			return fmt.Errorf("the server may still write events: %q", text)
		}
		return nil
	}
	eventually(t, may)
}
