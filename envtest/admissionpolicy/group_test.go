package admissionpolicy

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/internal/admissionpolicy"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// group is a set of policies, installed under names of its own for namespaces of its own.
type group struct {
	name    string
	objects []admissionpolicy.Objects
	err     error // why there are none
}

// all are the sets of policies of all cases, by PoliciesKey, once they are installed.
var all struct {
	sync.Once
	groups map[string]*group
}

// installed returns the sets of policies of all cases, which it installs and waits for the first time.
func installed(t *testing.T) map[string]*group {
	t.Helper()
	all.Do(func() {
		c, _ := newClient(t)
		groups := map[string]*group{}
		for _, tc := range policytest.Cases(t) {
			if key := tc.PoliciesKey(t); groups[key] == nil {
				groups[key] = newGroup(t, fmt.Sprintf("g%d", len(groups)), tc.AllPolicies(t))
			}
		}
		begun := time.Now()
		for _, key := range slices.Sorted(maps.Keys(groups)) {
			groups[key].install(t, c)
		}
		t.Logf("installed %d sets of policies in %s", len(groups), time.Since(begun).Round(time.Second))
		waitForAll(t, c, "cases")
		all.groups = groups
	})
	if all.groups == nil {
		t.Fatal("the policies could not be installed")
	}
	return all.groups
}

// waitForAll waits until the policies that are installed act: then one does that is installed last,
// under the given name.
func waitForAll(t *testing.T, c client.Client, name string) {
	t.Helper()
	last := newGroup(t, "after-"+name, []v1alpha1.SharedMemoryPolicy{*policytest.AppPolicy("last", "last")})
	last.install(t, c)
	w := &warnings{}
	e := evaluator{client: c, warnings: w}
	e.namespace(t, last.name, map[string]string{groupLabel: last.name, v1alpha1.LabelMode: "enforce"})
	app := policytest.Labels(map[string]string{"app": "last"})
	volume := policytest.NewPod("last", policytest.Namespace(last.name), app, policytest.WithContainer("a", "a"))
	refused := policytest.NewPod("refused", policytest.Namespace(last.name), app, policytest.WithContainer("a", "a", policytest.Mount("d", "/dev/shm")))
	refused.Spec.Volumes = []corev1.Volume{{Name: "d", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	for until := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		pod := volume.DeepCopy()
		changedErr := c.Create(t.Context(), pod, client.DryRunAll)
		refusedErr := c.Create(t.Context(), refused.DeepCopy(), client.DryRunAll)
		if changedErr == nil && len(pod.Spec.Volumes) == 1 && apierrors.IsForbidden(refusedErr) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("the policies do not act: %v, %d volumes; %v", changedErr, len(pod.Spec.Volumes), refusedErr)
		}
	}
}

func newGroup(t *testing.T, name string, sources []v1alpha1.SharedMemoryPolicy) *group {
	t.Helper()
	var all []admissionpolicy.Policy
	for i := range sources {
		compiled, errs := policy.Compile(&sources[i])
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		all = append(all, admissionpolicy.Policy{Compiled: compiled, Source: &sources[i]})
	}
	g := &group{name: name}
	g.objects, g.err = admissionpolicy.Generate(all)
	return g
}

// install creates the objects of a group, with names of its own and for its namespaces alone.
func (g *group) install(t *testing.T, c client.Client) {
	t.Helper()
	only := func(r *admissionregistrationv1.MatchResources) {
		r.NamespaceSelector.MatchLabels = map[string]string{groupLabel: g.name}
	}
	create := func(o client.Object) {
		o.SetName(g.name + "." + o.GetName())
		if err := c.Create(t.Context(), o); err != nil {
			t.Errorf("%s: %v", o.GetName(), err)
		}
	}
	for _, o := range g.objects {
		if o.Mutate != nil {
			create(o.Mutate)
			o.MutateBinding.Spec.PolicyName = o.Mutate.Name
			only(o.MutateBinding.Spec.MatchResources)
			create(o.MutateBinding)
		}
		create(o.Validate)
		create(o.Undecided)
		for i := range o.Bindings {
			b := &o.Bindings[i]
			b.Spec.PolicyName = g.name + "." + b.Spec.PolicyName
			only(b.Spec.MatchResources)
			create(b)
		}
	}
}
