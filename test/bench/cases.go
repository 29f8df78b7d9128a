package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/google/go-cmp/cmp"
)

// pathCase is something that stands between a client and a Pod.
type pathCase struct {
	name  string // of the namespace, with the size appended
	title string // in the table
	mode  string // of the namespace, if shmkeeper is to look at it
	calls int    // of webhooks for one creation
	// mutated says that the Pod comes out as shmkeeper makes it; unmatched that it is one that no
	// policy matches.
	mutated, unmatched bool
	setup              func(ctx context.Context, c *cluster, namespace, size string, r reviews, patch []byte) error
}

// The names of the cases that others are compared with.
const (
	nothing, floorCase, fixedCase, leftOut, enforce = "nothing", "fixed-validated", "fixed", "left-out", "enforce"
	heldBack, unmatched                             = "held-back", "unmatched"
)

// holdBack is the shortest match condition that holds for no Pod.
var holdBack = admissionregistrationv1.MatchCondition{Name: "never", Expression: "false"}

var pathCases = []pathCase{
	{name: nothing, title: "no webhook"},
	{
		name: "silent", title: "a webhook that answers nothing", calls: 1,
		setup: func(ctx context.Context, c *cluster, ns, _ string, _ reviews, _ []byte) error {
			return c.mutateBy(ctx, ns, "/allow")
		},
	},
	{
		name: fixedCase, title: "a webhook that answers a fixed patch", calls: 1, mutated: true,
		setup: func(ctx context.Context, c *cluster, ns, size string, _ reviews, _ []byte) error {
			return c.mutateBy(ctx, ns, "/patch/"+size)
		},
	},
	{
		name: floorCase, title: "the floor: a fixed patch, and a validating webhook that allows", calls: 2, mutated: true,
		setup: func(ctx context.Context, c *cluster, ns, size string, _ reviews, _ []byte) error {
			return errors.Join(c.mutateBy(ctx, ns, "/patch/"+size), c.validateBy(ctx, ns, "/allow"))
		},
	},
	{
		name: "policy-jsonpatch", title: "MutatingAdmissionPolicy, JSONPatch", mutated: true,
		setup: func(ctx context.Context, c *cluster, ns, _ string, _ reviews, patch []byte) error {
			mutation, err := jsonPatch(patch)
			if err != nil {
				return err
			}
			return c.mutateInServer(ctx, ns, mutation)
		},
	},
	{
		name: "policy-apply", title: "MutatingAdmissionPolicy, ApplyConfiguration", mutated: true,
		setup: func(ctx context.Context, c *cluster, ns, _ string, r reviews, _ []byte) error {
			mutation, err := applyConfiguration(r.before, r.after)
			if err != nil {
				return err
			}
			return c.mutateInServer(ctx, ns, mutation)
		},
	},
	{name: enforce, title: "**shmkeeper, enforce**", mode: "enforce", calls: 2, mutated: true},
	{name: leftOut, title: "shmkeeper, enforce, without the validating call", mode: "enforce", calls: 1, mutated: true},
	{name: "audit", title: "shmkeeper, audit", mode: "audit", calls: 1},
	{
		name: heldBack, title: "two webhooks whose match condition is `false`",
		setup: func(ctx context.Context, c *cluster, ns, _ string, _ reviews, _ []byte) error {
			return errors.Join(c.mutateBy(ctx, ns, "/allow", holdBack), c.validateBy(ctx, ns, "/allow", holdBack))
		},
	},
	{name: unmatched, title: "shmkeeper, enforce, a Pod that no policy matches", mode: "enforce", unmatched: true},
}

func (p *pathCase) namespace(size string) string { return p.name + "-" + size }

func (p *pathCase) pod(size string) *corev1.Pod {
	if p.unmatched {
		return unmatchedPod(sizes[size])
	}
	return matchedPod(sizes[size])
}

// prepareCases creates the namespaces for one size with what stands in them, and waits until each
// Pod comes out as its case says, after as many calls.
func (c *cluster) prepareCases(ctx context.Context, size string, mutate target) error {
	r, err := c.record(ctx, matchedPod(sizes[size]))
	if err != nil {
		return err
	}
	answer, err := ask(ctx, mutate.client(1), mutate.url, r.mutate)
	if err != nil {
		return err
	}
	patch, err := patchOf(answer)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "patch-"+size+".json"), patch, 0o600); err != nil {
		return err
	}
	for i := range pathCases {
		p := &pathCases[i]
		if err := c.namespace(ctx, p.namespace(size), p.mode); err != nil {
			return err
		}
		if p.setup != nil {
			if err := p.setup(ctx, c, p.namespace(size), size, r, patch); err != nil {
				return fmt.Errorf("%s: %w", p.title, err)
			}
		}
		if p.name == leftOut {
			if err := c.leaveOut(ctx, p.namespace(size), r.after); err != nil {
				return err
			}
		}
	}
	for i := range pathCases {
		p := &pathCases[i]
		if err := eventually(ctx, func(ctx context.Context) error { return c.check(ctx, p, size, r.after) }); err != nil {
			return fmt.Errorf("%s, %s: %w", p.title, size, err)
		}
	}
	return nil
}

// check creates a Pod by a dry run and returns an error if it does not come out as the case says.
func (c *cluster) check(ctx context.Context, p *pathCase, size string, mutated *corev1.Pod) error {
	before, err := c.webhookCalls(ctx)
	if err != nil {
		return err
	}
	asked := p.pod(size)
	got, err := c.kube.CoreV1().Pods(p.namespace(size)).Create(ctx, asked, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	after, err := c.webhookCalls(ctx)
	if err != nil {
		return err
	}
	if after-before != p.calls {
		return fmt.Errorf("one creation made %d calls of webhooks, want %d", after-before, p.calls)
	}
	want := asked
	if p.mutated {
		want = mutated
	}
	if diff := cmp.Diff(changeable(want), changeable(got)); diff != "" {
		return fmt.Errorf("the Pod is not as it should be (-want +got):\n%s", diff)
	}
	return nil
}

// changeable returns what a mutation can change, in an order that does not depend on how.
func changeable(pod *corev1.Pod) map[string]any {
	out := map[string]any{"annotations": pod.Annotations}
	var volumes []string
	for i := range pod.Spec.Volumes {
		volumes = append(volumes, pod.Spec.Volumes[i].Name)
	}
	slices.Sort(volumes)
	out["volumes"] = volumes
	for _, c := range pod.Spec.Containers {
		var mounts []string
		for _, m := range c.VolumeMounts {
			mounts = append(mounts, m.MountPath+"="+m.Name)
		}
		slices.Sort(mounts)
		limit, request := c.Resources.Limits.Memory(), c.Resources.Requests.Memory()
		if request.IsZero() {
			request = limit // as the API server fills it in
		}
		out[c.Name] = map[string]any{"mounts": mounts, "limit": limit.String(), "request": request.String()}
	}
	return out
}

// webhookCalls returns how many calls of webhooks about Pods the API server has counted.
func (c *cluster) webhookCalls(ctx context.Context) (int, error) {
	text, err := c.kube.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return 0, err
	}
	calls := 0
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, "apiserver_admission_webhook_request_total{") {
			continue
		}
		n, err := strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
		if err != nil {
			return 0, err
		}
		calls += n
	}
	return calls, nil
}

// leaveOut adds a match condition to the validating webhook that leaves out, in one namespace, Pods
// that are visibly what shmkeeper makes of them.
func (c *cluster) leaveOut(ctx context.Context, namespace string, pod *corev1.Pod) error {
	volume := pod.Spec.Volumes[len(pod.Spec.Volumes)-1]
	writer := pod.Spec.Containers[0]
	compliant := fmt.Sprintf(`object.spec.?volumes.orValue([]).exists(v, v.?emptyDir.?medium.orValue('') == 'Memory' && `+
		`has(v.emptyDir.sizeLimit) && quantity(v.emptyDir.sizeLimit).compareTo(quantity(%q)) >= 0 && `+
		`object.spec.containers.all(c, c.?volumeMounts.orValue([]).exists(m, m.name == v.name && m.mountPath == '/dev/shm' && `+
		`!m.?readOnly.orValue(false) && !has(m.subPath)))) && `+
		`object.spec.containers.exists(c, c.name == %q && quantity(c.resources.limits.memory).compareTo(quantity(%q)) >= 0) && `+
		`!object.metadata.?annotations.orValue({}).exists(k, k.startsWith('shmkeeper.dev/') && !(k in ['shmkeeper.dev/injected', 'shmkeeper.dev/policy']))`,
		volume.EmptyDir.SizeLimit, writer.Name, writer.Resources.Limits.Memory())
	patch := fmt.Sprintf(`{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
		"metadata": {"name": "shmkeeper"}, "webhooks": [{"name": "enforce.pods.shmkeeper.dev", "matchConditions": [
		{"name": %q, "expression": %q}]}]}`, namespace, fmt.Sprintf("request.namespace != %q || request.operation != 'CREATE' || !(%s)", namespace, compliant))
	_, err := c.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations().Patch(ctx, "shmkeeper", types.ApplyPatchType,
		[]byte(patch), metav1.PatchOptions{FieldManager: "bench-" + namespace})
	return err
}
