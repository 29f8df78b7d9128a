package policy_test

import (
	"testing"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// What the kubelet mounts of a volume of 4Gi, by the memory of the Pod.
func TestMountedSize(t *testing.T) {
	const (
		four  = "4Gi"
		a, b  = "{name: a, resources: {limits: {memory: 100Mi}}}", "{name: b, resources: {limits: {memory: 200Mi}}}"
		zero  = "{name: zero, resources: {limits: {memory: '0'}}}"
		none  = "{name: none}"
		start = "initContainers: [{name: first, resources: {limits: {memory: 50Mi}}, restartPolicy: Always}, {name: second, resources: {limits: {memory: 400Mi}}}], "
	)
	for name, c := range map[string]struct{ spec, want string }{
		"each container has a limit":                    {"{containers: [" + a + ", " + b + "]}", "300Mi"},
		"a container has no limit":                      {"{containers: [" + a + ", " + none + "]}", four},
		"a container has a limit of 0":                  {"{containers: [" + a + ", " + zero + "]}", four},
		"a debug container has no limit":                {"{containers: [" + a + "], ephemeralContainers: [" + none + "]}", "100Mi"},
		"overhead on top":                               {"{overhead: {memory: 7Mi}, containers: [" + a + "]}", "107Mi"},
		"overhead, and no limit":                        {"{overhead: {memory: 7Mi}, containers: [" + none + "]}", four},
		"a pod-level limit instead of the containers'":  {"{resources: {limits: {memory: 70Mi}}, containers: [" + a + "]}", "70Mi"},
		"an init container beside the sidecars before":  {"{" + start + "containers: [" + a + "]}", "450Mi"},
		"a sidecar beside the containers":               {"{" + start + "containers: [" + a + ", " + b + ", {name: c, resources: {limits: {memory: 200Mi}}}]}", "550Mi"},
		"pod-level limits of CPU alone":                 {"{resources: {limits: {cpu: 1}}, containers: [" + a + ", " + none + "]}", four},
		"a pod-level limit is filled in beside a 0":     {"{resources: {requests: {memory: 64Mi}}, containers: [" + a + ", " + zero + "]}", "100Mi"},
		"a pod-level limit is filled in, for CPU alone": {"{resources: {requests: {cpu: 1}}, containers: [" + a + ", " + zero + "]}", "100Mi"},
		"the request is more than the limits":           {"{resources: {requests: {memory: 300Mi}}, containers: [" + a + ", " + zero + "]}", "300Mi"},
		"one request and one limit on the Pod":          {"{resources: {requests: {memory: 64Mi}, limits: {cpu: 1}}, containers: [" + a + ", " + zero + "]}", "100Mi"},
		"pod-level resources without a figure":          {"{resources: {}, containers: [" + a + ", " + zero + "]}", four},
		"a pod-level limit of 0 is not filled in":       {"{resources: {requests: {memory: 64Mi}, limits: {memory: '0'}}, containers: [" + a + ", " + zero + "]}", four},
		"none is filled in without each limit":          {"{resources: {requests: {memory: 64Mi}}, containers: [" + a + ", " + none + "]}", four},
		"each limited, beside a larger request":         {"{resources: {requests: {memory: 400Mi}}, containers: [" + a + ", " + b + "]}", "300Mi"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := policytest.ParsePod("{spec: " + c.spec + "}")
			if got := policy.MountedSize(subjectOf(pod), 4*sizing.GiB); got != sizing.BytesOf(*quantity(c.want)) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// The least of what bounds a volume counts.
func TestMountedSize_Bounds(t *testing.T) {
	pod := policytest.ParsePod("{spec: {containers: [{name: a, resources: {limits: {memory: 100Mi}}}]}}")
	free := policytest.ParsePod("{spec: {containers: [{name: a}]}}")
	s, unlimited := subjectOf(pod), subjectOf(free)
	node := s
	node.NodeAllocatable = 80 * sizing.MiB
	for name, c := range map[string]struct {
		subject   policy.Subject
		size, got sizing.Bytes
	}{
		"the sizeLimit":               {s, 64 * sizing.MiB, 64 * sizing.MiB},
		"the memory limit":            {s, 128 * sizing.MiB, 100 * sizing.MiB},
		"no sizeLimit":                {s, 0, 100 * sizing.MiB},
		"the node":                    {node, 128 * sizing.MiB, 80 * sizing.MiB},
		"nothing that is known":       {unlimited, 0, sizing.MaxBytes},
		"the sizeLimit and no limit ": {unlimited, 64 * sizing.MiB, 64 * sizing.MiB},
	} {
		if got := policy.MountedSize(c.subject, c.size); got != c.got {
			t.Errorf("%s: got %s, want %s", name, got, c.got)
		}
	}
}
