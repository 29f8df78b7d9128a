package policy_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
)

// A Pod is read into a view by two functions, from its type and from its JSON: what is decided may
// not depend on which.

func viewsAgree(t *rapid.T, r *reached) {
	weights := usual
	weights.limitRange, weights.quota, weights.skipped = 3, 3, 2
	w := genWorld(t, weights)
	text, err := json.Marshal(w.pod)
	if err != nil {
		t.Fatal(err)
	}
	r.Count(t, string(policy.Mutated), sameByView(t, w, text) == policy.Mutated)
}

// sameByView evaluates a Pod by both views and returns the outcome.
func sameByView(t fataler, w *world, text []byte) policy.Outcome {
	var view policy.PodView
	if err := json.Unmarshal(text, &view); err != nil {
		t.Fatalf("the view does not read what a Pod is read from: %v", err)
	}
	subject := w.subject()
	want := evaluate(w.set(t), subject)
	wantPatch, err := json.Marshal(want.Plan.Patch(subject))
	if err != nil {
		t.Fatalf("%v", err)
	}
	subject.Pod = &view
	got := evaluate(w.set(t), subject)
	gotPatch, err := json.Marshal(got.Plan.Patch(subject))
	if err != nil {
		t.Fatalf("%v", err)
	}
	if diff := cmp.Diff(string(wantPatch), string(gotPatch)); diff != "" {
		t.Fatalf("-by type +by JSON:\n%s", diff)
	}
	want.Plan, got.Plan = policy.Plan{}, policy.Plan{}
	if diff := cmp.Diff(want, got, exported); diff != "" {
		t.Fatalf("-by type +by JSON:\n%s", diff)
	}
	return got.Outcome
}

func TestPodView_DecidesAsThePodDoes(t *testing.T) { check(t, viewsAgree) }

func FuzzPodView(f *testing.F) {
	f.Add(
		[]byte(
			`{"spec":{"containers":[{"name":"a","volumeMounts":null,"resources":null},{"name":"b","resources":{"limits":{}}}],"volumes":[]}}`,
		),
	)
	f.Add(
		[]byte(
			`{"metadata":{"annotations":{}},"spec":{"initContainers":[{"name":"a","restartPolicy":"Always"}],"containers":[{"name":"b","resources":{"limits":{"memory":1}}}]}}`,
		),
	)
	f.Fuzz(func(t *testing.T, text []byte) {
		var pod corev1.Pod
		if json.Unmarshal(text, &pod) != nil {
			t.Skip("not a Pod")
		}
		w := &world{pod: &pod}
		w.policies = append(w.policies, fixedPolicy("256Mi"))
		sameByView(t, w, text)
	})
}
