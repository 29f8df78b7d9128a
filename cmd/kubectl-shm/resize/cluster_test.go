package resize

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

func TestOutcomeOf(t *testing.T) {
	changes := []change{{Container: "web", Field: limit, To: resource.MustParse("512Mi")}}
	condition := func(kind corev1.PodConditionType, reason, message string, generation int64) corev1.PodCondition {
		return corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: message, ObservedGeneration: generation}
	}
	running := func(limit string) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{
			Name: "web", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			Resources: &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)}},
		}}
	}
	for name, c := range map[string]struct {
		status corev1.PodStatus
		want   outcome
	}{
		"done":                                 {corev1.PodStatus{ObservedGeneration: 2, ContainerStatuses: running("512Mi")}, outcome{Done: true}},
		"the kubelet has not seen it":          {corev1.PodStatus{ObservedGeneration: 1, ContainerStatuses: running("256Mi")}, outcome{Pending: "NotSeen", Message: "the kubelet has not looked at it yet"}},
		"the container has what it had":        {corev1.PodStatus{ObservedGeneration: 2, ContainerStatuses: running("256Mi")}, outcome{Pending: "InProgress", Message: `container "web" still has limits.memory 256Mi`}},
		"a server without observedGeneration":  {corev1.PodStatus{ContainerStatuses: running("512Mi")}, outcome{Done: true}},
		"a container that waits to be started": {corev1.PodStatus{ObservedGeneration: 2, ContainerStatuses: []corev1.ContainerStatus{{Name: "web", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}}, outcome{Done: true}},
		"no room on the node": {
			corev1.PodStatus{ObservedGeneration: 2, Conditions: []corev1.PodCondition{condition(corev1.PodResizePending, corev1.PodReasonDeferred, "Node didn't have enough resource: memory", 2)}},
			outcome{Pending: "Deferred", Message: "Node didn't have enough resource: memory"},
		},
		"what an earlier resize came to": {
			corev1.PodStatus{ObservedGeneration: 2, ContainerStatuses: running("512Mi"), Conditions: []corev1.PodCondition{condition(corev1.PodResizePending, corev1.PodReasonInfeasible, "too much", 1)}},
			outcome{Done: true},
		},
		"under way":        {corev1.PodStatus{Conditions: []corev1.PodCondition{condition(corev1.PodResizeInProgress, "", "", 2)}}, outcome{Pending: "InProgress"}},
		"under way, fails": {corev1.PodStatus{Conditions: []corev1.PodCondition{condition(corev1.PodResizeInProgress, corev1.PodReasonError, "volume is not mounted", 2)}}, outcome{Pending: "Error", Message: "volume is not mounted"}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-0"}, Status: c.status}
			if diff := cmp.Diff(c.want, outcomeOf(pod, changes, 2)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is wished for is what the engine plans, and the patch that asks for it names the Pod it is for.
func TestWishOf_NaiveRepair(t *testing.T) {
	pod := policytest.NewPod("web-0", policytest.Namespace("shop"), policytest.Labels(map[string]string{"app": "web"}), policytest.WithMemoryVolume("shm", "64Mi"),
		policytest.WithContainer("web", "nginx", policytest.MemoryRequest("32Mi"), policytest.MemoryLimit("128Mi"), policytest.Mount("shm", "/dev/shm")))
	pod.UID = "one"
	compiled, errs := policy.Compile(policytest.AppPolicy("web", "web"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	subject, _ := policy.NewSubject(pod)
	e := policy.NewSet(compiled).Evaluate(subject)
	w, err := wishOf(pod, subject, &e)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range w.changes {
		got = append(got, w.changes[i].of()+" "+w.changes[i].From.String()+" "+w.changes[i].To.String())
	}
	// The engine's own figures, as the webhook would write them: a volume of 256Mi costs 257Mi, one of 64Mi 65Mi.
	want := []string{"volume shm: sizeLimit 64Mi 256Mi", "container web: limits.memory 128Mi 320Mi", "container web: requests.memory 32Mi 224Mi"}
	if diff := cmp.Diff(want, got); diff != "" || len(w.never) > 0 {
		t.Errorf("%s; never %q", diff, w.never)
	}
	patch, err := patchOf(pod, w.changes, false)
	const text = `{"metadata":{"uid":"one"},"spec":{"containers":[{"name":"web","resources":{"limits":{"memory":"320Mi"},"requests":{"memory":"224Mi"}}}],"volumes":[{"emptyDir":{"sizeLimit":"256Mi"},"name":"shm"}]}}`
	if err != nil || string(patch) != text {
		t.Errorf("got the patch %s, %v; want %s", patch, err, text)
	}
}
