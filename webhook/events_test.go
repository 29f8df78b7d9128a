package webhook

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/internal/workloadevents"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// heard keeps the events of one request after the other.
type heard struct{ events []*workloadevents.Event }

func (h *heard) Record(e *workloadevents.Event) bool {
	h.events = append(h.events, e)
	return true
}

func (h *heard) take() []*workloadevents.Event {
	out := h.events
	h.events = nil
	return out
}

// owned has a ReplicaSet of a Deployment control a Pod of these tests.
func owned(pod string) string {
	return strings.Replace(pod, "labels: {app: web}", `labels: {app: web, pod-template-hash: 5d4}, ownerReferences: [
		{apiVersion: v1, kind: ConfigMap, name: c, uid: u0}, {apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4, uid: u1, controller: true}]`, 1)
}

const (
	adds  = `SharedMemoryPolicy "p" adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web"`
	disk  = `SharedMemoryPolicy "p": container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir: mount a Memory emptyDir with sizeLimit: 256Mi there`
	plain = `SharedMemoryPolicy "p": container "web" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: mount a Memory emptyDir with sizeLimit: 256Mi there`
)

func TestEvents_WhatBecomesOfTheWorkloadsPods(t *testing.T) {
	owner := policy.OwnerView{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5d4", UID: "u1", Controller: new(true)}
	event := func(kind, reason, note string, quiet time.Duration) []*workloadevents.Event {
		return []*workloadevents.Event{{
			Namespace: "", Controller: owner, Workload: "Deployment/web", Type: kind, Reason: reason, Note: note, Topic: note, Quiet: quiet,
		}}
	}
	for name, c := range map[string]struct {
		handler              func(Options) *handler
		namespace, spec, pod string
		operation            admissionv1.Operation
		want                 []*workloadevents.Event
	}{
		"a Pod is changed": {mutatePods, "enforce", fixed, owned(plainPod), "", event("Normal", "PodChanged",
			"Pods are changed as they are created: "+adds, time.Hour)},
		"a Pod is changed whose policy only warns":   {mutatePods, "enforce", strings.TrimSuffix(fixed, "}") + ", mode: Warn}", owned(plainPod), "", nil},
		"a Pod cannot be fixed, and is judged later": {mutatePods, "enforce", fixed, owned(diskPod), "", nil},
		"a Pod that nobody controls is changed":      {mutatePods, "enforce", fixed, plainPod, "", nil},
		"a Pod of a namespace that is not known":     {mutatePods, "elsewhere", fixed, owned(plainPod), "", nil},
		"a Pod that no policy matches":               {mutatePods, "enforce", fixed, owned(strings.Replace(plainPod, "app: web", "app: x", 1)), "", nil},
		"a Pod is rejected": {enforcePods, "enforce", fixed, owned(diskPod), "", event("Warning", "PodRejected",
			"a Pod was rejected: it violates "+disk, 5*time.Minute)},
		"a Pod is rejected that was not mutated": {enforcePods, "enforce", fixed, owned(plainPod), "", event("Warning", "PodRejected",
			"a Pod was rejected: it violates "+plain+notMutated, 5*time.Minute)},
		"a Pod complies": {enforcePods, "enforce", fixed, owned(sizedPod), "", nil},
		"a Pod violates a policy that only warns": {enforcePods, "enforce", strings.TrimSuffix(fixed, "}") + ", mode: Warn}", owned(diskPod), "", event("Warning", "PodWouldBeRejected",
			"in mode enforce Pods would be rejected: each would violate "+disk, time.Hour)},
		"an update is rejected, whose author hears it": {enforcePods, "enforce", disabled, owned(diskPod), admissionv1.Update, nil},
		"mode warn, and a Pod would be changed": {reportPods, "warn", fixed, owned(plainPod), "", event("Normal", "PodWouldBeChanged",
			"in mode enforce Pods would be changed as they are created: "+adds, time.Hour)},
		"mode audit, and a Pod would be changed": {reportPods, "audit", fixed, owned(plainPod), "", event("Normal", "PodWouldBeChanged",
			"in mode enforce Pods would be changed as they are created: "+adds, time.Hour)},
		"mode audit, and a Pod would be rejected": {reportPods, "audit", disabled, owned(plainPod), "", event("Warning", "PodWouldBeRejected",
			"in mode enforce Pods would be rejected: each would violate "+plain, time.Hour)},
		"mode audit, and a Pod complies": {reportPods, "audit", fixed, owned(sizedPod), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			o, events := options(t, c.spec), &heard{}
			o.Events = events
			operation, old := admissionv1.Create, ""
			if c.operation != "" {
				operation, old = c.operation, owned(sizedPod)
			}
			for i := range c.want {
				c.want[i].Namespace = c.namespace
			}
			r := request(t, operation, podKind, c.namespace, c.pod, old)
			handle(t, c.handler(o), r)
			if diff := cmp.Diff(c.want, events.take()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			// The answer to a dry run is the same, and no event is recorded.
			r.DryRun = new(true)
			handle(t, c.handler(o), r)
			if got := events.take(); len(got) > 0 {
				t.Errorf("events of a dry run: %+v", got[0])
			}
		})
	}
}

// Both decoders know a dry run.
func TestEvents_NoneOfADryRun(t *testing.T) {
	pod, err := yaml.YAMLToJSON([]byte(owned(diskPod)))
	if err != nil {
		t.Fatal(err)
	}
	body := reviewOf(t, podKind, "enforce", pod, nil)
	dry := bytes.Replace(body, []byte(`"dryRun":false`), []byte(`"dryRun":true`), 1)
	if bytes.Equal(body, dry) {
		t.Fatalf("the review does not say that it is not a dry run: %s", body)
	}
	o, events := options(t, fixed), &heard{}
	o.Events = events
	for name, h := range map[string]http.Handler{
		"the fast one": newHTTPHandler(enforcePods(o), newLimits()), "the full one": &admission.Webhook{Handler: enforcePods(o)},
	} {
		for _, c := range []struct {
			body []byte
			want int
		}{{body, 1}, {dry, 0}} {
			if r := replyOf(t, post(t, h, c.body)); r.Review.Response.Allowed {
				t.Fatalf("%s: the Pod is allowed: %+v", name, r.Review.Response)
			}
			if got := events.take(); len(got) != c.want {
				t.Errorf("%s: %d events, want %d, of %s", name, len(got), c.want, c.body)
			}
		}
	}
	o.MaxMode = v1alpha1.Audit
	if post(t, newHTTPHandler(enforcePods(o), newLimits()), body); len(events.take()) != 1 {
		t.Error("a server that only audits says nothing")
	}
	o.Events = nil
	if r := replyOf(t, post(t, newHTTPHandler(enforcePods(o), newLimits()), body)); !r.Review.Response.Allowed {
		t.Error("without anybody who takes events: the Pod is rejected in mode audit")
	}
}
