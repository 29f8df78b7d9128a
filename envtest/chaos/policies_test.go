//go:build chaos && linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// What happens to the policies.
var policyScenarios = []scenario{
	{
		name: "a policy changes ten times", led: true,
		fault: func(t *testing.T, h *harness) {
			for i := range 9 {
				h.change(t, []string{"160Mi", "64Mi", "192Mi"}[i%3])
			}
			h.change(t, changingSize)
		},
	},
	{
		name: "a policy is deleted and created again, three times", led: true,
		fault: func(t *testing.T, h *harness) {
			for range 3 {
				h.ledger.releasing(changing, time.Now())
				p := changingPolicy(changingSize)
				if err := h.client.Delete(t.Context(), &p); err != nil {
					t.Fatal(err)
				}
				h.change(t, changingSize)
			}
		},
	},
	{
		name: "a policy becomes invalid, by a way around its webhook", led: true,
		fault: func(t *testing.T, h *harness) {
			h.wantInvalidRejected(t)
			h.withUncheckedPolicies(t, func() { h.makeInvalid(t) })
			h.change(t, changingSize)
		},
		signs: []sign{logs(`"msg":"policy is not valid: its condition Accepted says why"`), counts("shmkeeper_policy_compile_errors_total")},
	},
	{
		// The API server compiles the match condition again for each change of it, so a call may run out of time.
		name: "1,000 policies are created within a minute, and deleted", led: true, long: true, allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) { h.flood(t, 1000, time.Minute) },
	},
}

// saysWithin is how soon the status of a policy has to say that a version is in force.
const saysWithin = 10 * time.Second

// change gives the policy that may change another size, waits until its status says so, and has Pods
// created under it at once.
func (h *harness) change(t *testing.T, size string) {
	t.Helper()
	p := changingPolicy(size)
	eventually(t, func() error { return h.write(t.Context(), &p) }) // a watch cannot be older than the write
	want, err := needOf(&p)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for h.ledger.demanded(changing) != want {
		if time.Since(begin) > patience {
			t.Fatalf("the status of a policy does not say that it is in force")
		}
		time.Sleep(time.Millisecond) // between two looks; any replica may be late
	}
	if took := time.Since(begin); took > saysWithin && !h.stalledSince(begin) {
		t.Errorf("the status of a policy said after %s that it is in force, want %s", human(took), saysWithin)
	}
	h.stream.burst(kinds[1], 16)
}

// stalledSince reports whether this machine was too busy for any Pod since a time.
func (h *harness) stalledSince(begin time.Time) bool {
	return slices.ContainsFunc(h.stream.since(begin.Add(-answerWithin)), func(c creation) bool {
		return c.showsStall() && c.end.After(begin)
	})
}

// waitCreated waits until so many Pods that a policy matches were created since a time.
func (h *harness) waitCreated(t *testing.T, policy string, since time.Time, n int) {
	t.Helper()
	eventually(t, func() error {
		got := 0
		creations := h.stream.since(since)
		for i := range creations {
			if c := &creations[i]; c.kind.policy == policy && c.outcome == admitted {
				got++
			}
		}
		if got < n {
			return fmt.Errorf("%d Pods under policy %q were created, want %d", got, policy, n)
		}
		return nil
	})
}

// invalidPolicy is a policy that only shmkeeper knows to be invalid.
func invalidPolicy() v1alpha1.SharedMemoryPolicy {
	p := changingPolicy(changingSize)
	p.Spec.Match[0].Images = []string{"a["}
	return p
}

// wantInvalidRejected wants the webhook for policies to reject an invalid one.
func (h *harness) wantInvalidRejected(t *testing.T) {
	t.Helper()
	if err := h.writeInvalid(t.Context()); !apierrors.IsInvalid(err) {
		t.Errorf("an invalid policy: %v, want it rejected as invalid", err)
	}
}

func (h *harness) writeInvalid(ctx context.Context) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error { // the status is written too
		live, invalid := &v1alpha1.SharedMemoryPolicy{}, invalidPolicy()
		if err := h.client.Get(ctx, client.ObjectKeyFromObject(&invalid), live); err != nil {
			return err
		}
		live.Spec = invalid.Spec
		return h.client.Update(ctx, live)
	})
}

// makeInvalid makes the policy that may change invalid, and waits until its status says so.
func (h *harness) makeInvalid(t *testing.T) {
	t.Helper()
	h.ledger.releasing(changing, time.Now())
	eventually(t, func() error { return h.writeInvalid(t.Context()) }) // the API server has to know the edit first
	begin := time.Now()
	eventually(t, func() error {
		p := &v1alpha1.SharedMemoryPolicy{}
		if err := h.client.Get(t.Context(), client.ObjectKey{Name: changing}, p); err != nil {
			return err
		}
		c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionAccepted)
		if c == nil || c.Status != metav1.ConditionFalse || c.ObservedGeneration != p.Generation {
			return fmt.Errorf("the status does not say that the policy is invalid: %+v", c)
		}
		return nil
	})
	if took := time.Since(begin); took > saysWithin && !h.stalledSince(begin) {
		t.Errorf("the status of a policy said after %s that it is invalid, want %s", human(took), saysWithin)
	}
	h.waitCreated(t, changing, time.Now(), 3)
}

// withUncheckedPolicies keeps policies from their webhook meanwhile, by a match condition of
// somebody else, which shmkeeper lets stand.
func (h *harness) withUncheckedPolicies(t *testing.T, do func()) {
	t.Helper()
	const nobody = "nobody"
	edit := func(change func(*admissionregistrationv1.ValidatingWebhook)) {
		h.editValidating(t, func(w *admissionregistrationv1.ValidatingWebhook) {
			if w.Name == "policies.shmkeeper.dev" {
				change(w)
			}
		})
	}
	edit(func(w *admissionregistrationv1.ValidatingWebhook) {
		w.MatchConditions = append(w.MatchConditions, admissionregistrationv1.MatchCondition{Name: nobody, Expression: "false"})
	})
	do()
	edit(func(w *admissionregistrationv1.ValidatingWebhook) { w.MatchConditions = nil }) // it has none of its own
	eventually(t, func() error {
		if err := h.writeInvalid(t.Context()); !apierrors.IsInvalid(err) {
			return fmt.Errorf("an invalid policy is not rejected again: %w", err)
		}
		return nil
	})
}

// flood creates policies that match nothing of the stream, at an even rate, waits until all are in
// force, and deletes them.
func (h *harness) flood(t *testing.T, n int, within time.Duration) {
	t.Helper()
	ctx := t.Context()
	name := func(i int) string { return fmt.Sprintf("flood-%04d", i) }
	rate := time.NewTicker(within / time.Duration(n))
	defer rate.Stop()
	var open sync.WaitGroup
	for i := range n {
		p := fixedPolicy(name(i), "podSelector: {matchLabels: {app: "+name(i)+"}}", "64Mi")
		p.Labels = map[string]string{"chaos": "flood"}
		open.Go(func() {
			if err := h.client.Create(ctx, &p); err != nil {
				t.Error(err)
			}
		})
		<-rate.C
	}
	open.Wait()
	begin := time.Now()
	flood := client.MatchingLabels{"chaos": "flood"}
	eventually(t, func() error {
		var all v1alpha1.SharedMemoryPolicyList
		if err := h.client.List(ctx, &all, flood); err != nil {
			return err
		}
		for i := range all.Items {
			if !inForce(&all.Items[i]) {
				return fmt.Errorf("policy %q of %d is not in force", all.Items[i].Name, len(all.Items))
			}
		}
		if len(all.Items) != n {
			return fmt.Errorf("there are %d policies", len(all.Items))
		}
		return nil
	})
	t.Logf("%d policies were in force %s after the last was created", n, human(time.Since(begin)))
	if err := h.client.DeleteAllOf(ctx, &v1alpha1.SharedMemoryPolicy{}, flood); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		for _, r := range h.replicas {
			now, err := h.metrics(ctx, r)
			if err != nil {
				return err
			}
			if got := now.sum("shmkeeper_policies"); got != 2 {
				return errors.Join(err, fmt.Errorf("%s knows of %g policies, and there are 2", r.name, got))
			}
		}
		return nil
	})
}
