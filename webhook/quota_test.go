package webhook

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// withQuotas returns options in which each namespace has a ResourceQuota of the given status.
func withQuotas(t *testing.T, spec, name, status string) Options {
	t.Helper()
	quota := &corev1.ResourceQuota{}
	quota.Name = name
	if err := yaml.UnmarshalStrict([]byte(status), &quota.Status); err != nil {
		t.Fatal(err)
	}
	o := options(t, spec)
	c, ok := o.Cluster.(fakeCluster)
	if !ok {
		t.Fatalf("the cluster is a %T", o.Cluster)
	}
	c.quotas = []*corev1.ResourceQuota{quota}
	o.Cluster = c
	return o
}

// One Pod with 512Mi, in a namespace in which 600Mi are left: 256Mi of /dev/shm cost 257Mi.
func TestHandlers_QuotaExceededByRaise(t *testing.T) {
	const (
		spec     = "{containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}, requests: {memory: 512Mi}}}]}"
		pod      = "{metadata: {name: web, labels: {app: web}}, spec: " + spec + "}"
		template = "{metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}, spec: " + spec + "}}}"
		raised   = "{metadata: {name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web, " +
			"resources: {limits: {memory: 769Mi}, requests: {memory: 769Mi}}, volumeMounts: [{name: shmkeeper-shm, mountPath: /dev/shm}]}], " +
			"volumes: [{name: shmkeeper-shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}]}}"
		noMount = `container "web" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: ` +
			`mount a Memory emptyDir with sizeLimit: 256Mi there`
		noRoom = `the Pod would need 769Mi of limits.memory, of which 257Mi are for a /dev/shm of 256Mi, ` +
			`and ResourceQuota "small" leaves 600Mi of its 600Mi: the largest size that would fit is 87Mi: ` +
			`ask the namespace's administrator for more memory`
		adds = `adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web", ` +
			`raises the memory limit of "web" from 512Mi to 769Mi and its request from 512Mi to 768Mi`
		violates = `violates SharedMemoryPolicy "p": ` + noRoom + "; " + noMount
	)
	deployment := metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	causes := []metav1.StatusCause{
		{Type: "ExceedsQuota", Message: noRoom},
		{Type: "NoMount", Message: noMount, Field: `spec.containers[name="web"]`},
	}
	for name, c := range map[string]struct {
		handler                func(Options) *handler
		kind                   metav1.GroupVersionKind
		namespace, object, old string
		message                string
		warnings               []string
		mutated                bool
	}{
		"a Pod whose raise does not fit is not mutated": {
			handler: mutatePods, kind: podKind, namespace: "enforce", object: pod,
		},
		"a Pod is mutated in a namespace of which nothing is known yet": {
			handler: mutatePods, kind: podKind, namespace: "new", object: pod, mutated: true,
		},
		"a Pod that was not mutated is rejected for what is missing": {
			handler: enforcePods, kind: podKind, namespace: "enforce", object: pod, message: violates,
		},
		"a Pod that was mutated when there was room is left to the quota plugin": {
			handler: enforcePods, kind: podKind, namespace: "enforce", object: raised,
		},
		"a Pod that is there already has been counted": {
			handler: enforcePods, kind: podKind, namespace: "enforce", object: raised, old: raised,
		},
		"a Pod that is given its volume by an update is not asked": {
			handler: enforcePods, kind: podKind, namespace: "enforce", object: raised, old: pod,
		},
		"the client is warned if the namespace only warns": {
			handler: reportPods, kind: podKind, namespace: "warn", object: pod, warnings: []string{
				`would violate SharedMemoryPolicy "p": ` + noRoom, `would violate SharedMemoryPolicy "p": ` + noMount,
			},
		},
		"nothing is said if the namespace audits": {handler: reportPods, kind: podKind, namespace: "audit", object: pod},
		"a new workload is warned for its Pods": {
			handler: warnWorkloads, kind: deployment, namespace: "enforce", object: template,
			warnings: []string{
				`Pods of this Deployment will be rejected, because they violate SharedMemoryPolicy "p": ` + noRoom,
				`Pods of this Deployment will be rejected, because they violate SharedMemoryPolicy "p": ` + noMount,
			},
		},
		"a workload that is there already may be what uses the quota": {
			handler: warnWorkloads, kind: deployment, namespace: "enforce", object: template,
			old:      strings.Replace(template, "image: web", "image: old", 1),
			warnings: []string{`Pods of this Deployment will be changed by SharedMemoryPolicy "p", which ` + adds},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := withQuotas(t, raising, "small", "{hard: {limits.memory: 600Mi}, used: {limits.memory: 0}}")
			operation := admissionv1.Create
			if c.old != "" {
				operation = admissionv1.Update
			}
			r := handle(t, c.handler(o), request(t, operation, c.kind, c.namespace, c.object, c.old))
			if r.Allowed != (c.message == "") || len(r.Patch) > 0 != c.mutated {
				t.Fatalf("allowed %t, patch %s, result %v", r.Allowed, r.Patch, r.Result)
			}
			if !r.Allowed {
				if diff := cmp.Diff(c.message, r.Result.Message); diff != "" {
					t.Errorf("message -want +got:\n%s", diff)
				}
				if diff := cmp.Diff(causes, r.Result.Details.Causes); diff != "" {
					t.Errorf("causes -want +got:\n%s", diff)
				}
			}
			if diff := cmp.Diff(c.warnings, r.Warnings); diff != "" {
				t.Errorf("warnings -want +got:\n%s", diff)
			}
		})
	}
}

// Since Kubernetes 1.37 an API server fills in pod-level memory after the mutating webhooks: here
// 512Mi and 128Mi. Without them each of the two containers is raised by 257Mi.
func TestValidatePod_WithoutDefaults(t *testing.T) {
	const pod = `
metadata:
  name: web
  labels: {app: web}
  managedFields: [{manager: kubectl, operation: Update, apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:resources": {"f:limits": {"f:cpu": {}}}}}}]
spec:
  resources: {limits: {cpu: "2", memory: 512Mi}, requests: {cpu: "2", memory: 128Mi}}
  containers:
  - {name: a, image: a, resources: {limits: {memory: 256Mi}, requests: {memory: 64Mi}}}
  - {name: b, image: b, resources: {limits: {memory: 256Mi}, requests: {memory: 64Mi}}}
`
	// The sum of the limits is 512Mi, and 257Mi are added to that of the writer, which is the
	// first container. The pod-level limit that was filled in would have been raised too.
	o := withQuotas(t, raising, "small", "{hard: {limits.memory: 768Mi}, used: {limits.memory: 0}}")
	const noRoom = `the Pod would need 769Mi of limits.memory, of which 257Mi are for a /dev/shm of 256Mi, ` +
		`and ResourceQuota "small" leaves 768Mi of its 768Mi: `
	denied := handle(t, enforcePods(o), request(t, admissionv1.Create, podKind, "enforce", pod, ""))
	if denied.Allowed || !strings.Contains(denied.Result.Message, noRoom) {
		t.Errorf("allowed %t, %v\nwant %s", denied.Allowed, denied.Result, noRoom)
	}
	// One MiB more is enough, and what is left to say is that the mutating webhook was not called.
	o = withQuotas(t, raising, "small", "{hard: {limits.memory: 769Mi}, used: {limits.memory: 0}}")
	denied = handle(t, enforcePods(o), request(t, admissionv1.Create, podKind, "enforce", pod, ""))
	if denied.Allowed || !strings.Contains(denied.Result.Message, notMutated) {
		t.Errorf("allowed %t, %v\nwant %s", denied.Allowed, denied.Result, notMutated)
	}
}
