package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// apiServer evaluates by creating the Pod of a case, whose policies are in force.
type apiServer struct {
	*suite
	api *apiClient
}

// Cases with the same policies run beside each other, each in a namespace of its own: until policies
// are in force everywhere takes longer than a case.
func TestAPIServer_EvaluatesLikeTheEngine(t *testing.T) {
	ran := 0
	for _, cases := range byPolicies(t, policytest.Cases(t)) {
		t.Run(fmt.Sprintf("policies of %q", cases[0].Name), func(t *testing.T) {
			shared.policies(t, cases[0].AllPolicies(t)...)
			for _, c := range cases {
				ran++
				t.Run(c.Name, func(t *testing.T) {
					t.Parallel()
					if !shared.knowsPodLevelResources(t, metav1.NamespaceDefault, c.Pod(t)) {
						return
					}
					e := apiServer{shared, shared.apiClient(t)}
					if diff := c.Diff(t, e.Evaluate(t, c)); diff != "" {
						t.Error(diff)
					}
				})
			}
		})
	}
	if ran < 200 {
		t.Errorf("only %d cases ran", ran)
	}
}

// byPolicies returns the cases that an API server can be asked about, those with the same policies together.
func byPolicies(t *testing.T, all []policytest.Case) (groups [][]policytest.Case) {
	t.Helper()
	index := map[string]int{}
	for _, c := range all {
		if c.OfflineOnly != "" {
			continue // the engine and the command line run it
		}
		key := c.PoliciesKey(t)
		i, found := index[key]
		if !found {
			i = len(groups)
			index[key], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

// Evaluate makes a Pod of the case's object, or of its template, has the API server admit it by a
// dry run until the outcome is the wanted one (a namespace takes a moment to arrive
// everywhere), and then creates it.
func (a apiServer) Evaluate(t *testing.T, c policytest.Case) policytest.Result {
	ns := a.namespace(t, "enforce", c.NamespaceLabels)
	for i := range c.LimitRanges {
		l := c.LimitRanges[i].DeepCopy()
		l.Namespace = ns
		if err := a.client.Create(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	for i := range c.ResourceQuotas {
		q := c.ResourceQuotas[i].DeepCopy()
		q.Namespace = ns
		if err := a.client.Create(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	pod := c.Pod(t)
	pod.Name, pod.GenerateName, pod.Namespace = "subject", "", ns
	var got policytest.Result
	if err := poll(t.Context(), within, func() error {
		got = a.create(t, c, pod, metav1.DryRunAll)
		if diff := c.Diff(t, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	}); err != nil {
		return got
	}
	return a.create(t, c, pod)
}

// create creates the Pod and returns the outcome.
func (a apiServer) create(t *testing.T, c policytest.Case, pod *corev1.Pod, dryRun ...string) policytest.Result {
	t.Helper()
	a.api.warnings.take()
	created, err := a.api.kube.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: dryRun})
	got := policytest.Result{}
	for _, warning := range a.api.warnings.take() {
		// What enforcing would do is what the engine says in its outcome.
		if strings.HasPrefix(warning, "would violate SharedMemoryPolicy ") || strings.HasPrefix(warning, "would be changed by ") {
			got.Messages = append(got.Messages, warning)
		} else {
			got.Warnings = append(got.Warnings, warning)
		}
	}
	notes := podNotes(a.api.auditEvent(t, a.api.ids.last))
	if notes != nil {
		got.Messages = append(got.Messages, notes["detail"])
	}
	status := apierrors.APIStatus(nil)
	switch {
	case err == nil:
		got.Outcome, got.Reason, got.Policy = policy.Outcome(notes["outcome"]), policy.Reason(notes["reason"]), notes["policy"]
		got.Spec = &created.Spec
		if notes == nil {
			// Why no policy matches a Pod is told to nobody.
			got.Outcome, got.Reason = policy.NotMatched, c.Want.Reason
		}
		if notes["mode"] != "enforce" && notes != nil {
			// Nothing was changed or denied, and the reasons are in no one's list.
			got.Violations, got.Spec = c.Want.Violations, nil
		}
	case errors.As(err, &status) && strings.Contains(err.Error(), "shmkeeper.dev"):
		got.Outcome, got.Policy, got.Spec = policy.Violating, notes["policy"], &pod.Spec
		got.Messages = append(got.Messages, err.Error())
		if details := status.Status().Details; details != nil {
			for _, cause := range details.Causes {
				got.Violations = append(got.Violations, policy.Reason(cause.Type))
				got.Messages = append(got.Messages, cause.Message)
			}
		}
		got.Reason = policy.Reason(notes["reason"])
	default:
		got.Outcome = policy.Outcome(fmt.Sprintf("refused by somebody else: %v", err))
	}
	return got
}

// podNotes returns what an event of the audit log has of a Pod, by the mutating webhook if that
// changed it, or else by the validating one; nil if neither said anything.
func podNotes(event auditv1.Event) map[string]string {
	for _, webhook := range []string{"mutate", "enforce"} {
		notes := map[string]string{}
		for k, v := range event.Annotations {
			if key, ok := strings.CutPrefix(k, webhook+".pods.shmkeeper.dev/"); ok {
				notes[key] = v
			}
		}
		if len(notes) > 0 {
			return notes
		}
	}
	return nil
}
