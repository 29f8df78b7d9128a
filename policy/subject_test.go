package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
)

// What is known of an object beside its Pod.
func TestNewSubject(t *testing.T) {
	const queue = "kueue.x-k8s.io/queue-name"
	meta := metav1.ObjectMeta{Name: "web", Namespace: "shop", Labels: map[string]string{queue: "jobs"}}
	generated := metav1.ObjectMeta{GenerateName: "web-", Namespace: "shop"}
	type facts struct {
		Kind, Name, Pointer, Queue string
		Suspended                  bool
		Claims                     []string
	}
	job := func(suspend *bool) batchv1.JobSpec { return batchv1.JobSpec{Suspend: suspend} }
	cronJob := func(suspend *bool, labels map[string]string) *batchv1.CronJob {
		return &batchv1.CronJob{ObjectMeta: meta, Spec: batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: job(suspend),
		}}}
	}
	for name, c := range map[string]struct {
		object any
		want   *facts // nil for none
	}{
		"a Pod":                  {&corev1.Pod{ObjectMeta: meta}, &facts{Kind: "Pod", Name: "web"}},
		"a Pod without a name":   {&corev1.Pod{ObjectMeta: generated}, &facts{Kind: "Pod", Name: "web-"}},
		"a PodTemplate":          {&corev1.PodTemplate{ObjectMeta: meta}, &facts{Kind: "PodTemplate", Name: "web", Pointer: "/template", Queue: "jobs"}},
		"a Deployment":           {&appsv1.Deployment{ObjectMeta: meta}, &facts{Kind: "Deployment", Name: "web", Pointer: "/spec/template", Queue: "jobs"}},
		"a DaemonSet":            {&appsv1.DaemonSet{ObjectMeta: generated}, &facts{Kind: "DaemonSet", Name: "web-", Pointer: "/spec/template"}},
		"a ReplicaSet":           {&appsv1.ReplicaSet{ObjectMeta: meta}, &facts{Kind: "ReplicaSet", Name: "web", Pointer: "/spec/template", Queue: "jobs"}},
		"a controller":           {&corev1.ReplicationController{ObjectMeta: generated, Spec: corev1.ReplicationControllerSpec{Template: &corev1.PodTemplateSpec{}}}, &facts{Kind: "ReplicationController", Name: "web-", Pointer: "/spec/template"}},
		"one without a template": {&corev1.ReplicationController{ObjectMeta: meta}, nil},
		"a StatefulSet": {
			&appsv1.StatefulSet{ObjectMeta: generated, Spec: appsv1.StatefulSetSpec{VolumeClaimTemplates: []corev1.PersistentVolumeClaim{
				{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Name: "b"}},
			}}},
			&facts{Kind: "StatefulSet", Name: "web-", Pointer: "/spec/template", Claims: []string{"a", "b"}},
		},
		"a Job":              {&batchv1.Job{ObjectMeta: meta}, &facts{Kind: "Job", Name: "web", Pointer: "/spec/template", Queue: "jobs"}},
		"a Job that runs":    {&batchv1.Job{ObjectMeta: meta, Spec: job(ptr(false))}, &facts{Kind: "Job", Name: "web", Pointer: "/spec/template", Queue: "jobs"}},
		"a suspended Job":    {&batchv1.Job{ObjectMeta: meta, Spec: job(ptr(true))}, &facts{Kind: "Job", Name: "web", Pointer: "/spec/template", Queue: "jobs", Suspended: true}},
		"a CronJob":          {cronJob(nil, nil), &facts{Kind: "CronJob", Name: "web", Pointer: "/spec/jobTemplate/spec/template", Queue: "jobs"}},
		"a CronJob of Jobs":  {cronJob(ptr(false), map[string]string{queue: "night"}), &facts{Kind: "CronJob", Name: "web", Pointer: "/spec/jobTemplate/spec/template", Queue: "night"}},
		"suspended Jobs":     {cronJob(ptr(true), nil), &facts{Kind: "CronJob", Name: "web", Pointer: "/spec/jobTemplate/spec/template", Queue: "jobs", Suspended: true}},
		"an object of a map": {&corev1.ConfigMap{ObjectMeta: meta}, nil},
		"nothing":            {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, ok := policy.NewSubject(c.object)
			if !ok {
				if c.want != nil || s.Pod != nil {
					t.Errorf("no subject, want %v", c.want)
				}
				return
			}
			if c.want == nil || s.Namespace != "shop" || s.Pod == nil {
				t.Fatalf("the subject is %+v", s)
			}
			got := facts{Kind: s.Kind, Name: s.Name, Pointer: s.Pointer, Queue: s.QueueName, Suspended: s.Suspended, Claims: s.Claims}
			if diff := cmp.Diff(*c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
