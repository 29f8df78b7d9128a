package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// policyOf returns a policy with a spec in YAML.
func policyOf(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	fields := map[string]any{}
	if err := yaml.Unmarshal([]byte(spec), &fields); err != nil {
		t.Fatal(err)
	}
	content, err := yaml.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       v1alpha1.Kind,
		"metadata":   map[string]any{"name": name},
		"spec":       fields,
	})
	if err != nil {
		t.Fatal(err)
	}
	if content, err = yaml.YAMLToJSON(content); err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(content); err != nil {
		t.Fatal(err)
	}
	return u
}

// apply applies a policy on the server's side, as the manager.
func apply(t *testing.T, manager, name, spec string) error {
	t.Helper()
	config := client.ApplyConfigurationFromUnstructured(policyOf(t, name, spec))
	return kubeClient.Apply(t.Context(), config, client.FieldOwner(manager))
}

func get(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	if err := kubeClient.Get(t.Context(), client.ObjectKey{Name: name}, u); err != nil {
		t.Fatal(err)
	}
	return u
}

// at returns what is at a path, through the first entry of each list on the way.
func at(t *testing.T, u *unstructured.Unstructured, path ...string) any {
	t.Helper()
	var value any = u.Object
	for _, name := range path {
		if list, ok := value.([]any); ok && len(list) > 0 {
			value = list[0]
		}
		fields, ok := value.(map[string]any)
		if !ok {
			t.Fatalf("%v: %v has no %s", path, value, name)
		}
		value = fields[name]
	}
	return value
}

func TestServerSideApply_NarrowsLists(t *testing.T) {
	for name, c := range map[string]narrowing{
		"match": {
			`{match: [{images: [a]}, {mounted: true}]}`,
			`{match: [{mounted: true}]}`,
			[]string{"spec", "match"},
			[]any{map[string]any{"mounted": true}},
		},
		"exclude": {
			`{match: [{mounted: true}], exclude: [{images: [a]}, {images: [b]}]}`,
			`{match: [{mounted: true}], exclude: [{images: [b]}]}`,
			[]string{"spec", "exclude"},
			[]any{map[string]any{"images": []any{"b"}}},
		},
		"images": {
			`{match: [{images: [a, b]}]}`,
			`{match: [{images: [b]}]}`,
			[]string{"spec", "match", "images"},
			[]any{"b"},
		},
		"writers": {
			`{match: [{mounted: true}], writers: {names: [a, b]}}`,
			`{match: [{mounted: true}], writers: {names: [b]}}`,
			[]string{"spec", "writers", "names"},
			[]any{"b"},
		},
		"resources": {
			`{match: [{mounted: true}], sizing: {units: {each: 1Mi, count: {resources: [a/b, c/d]}}}}`,
			`{match: [{mounted: true}], sizing: {units: {each: 1Mi, count: {resources: [c/d]}}}}`,
			[]string{"spec", "sizing", "units", "count", "resources"},
			[]any{"c/d"},
		},
		"options": {
			`{match: [{mounted: true}], bindMountOptions: [noexec, nodev]}`,
			`{match: [{mounted: true}], bindMountOptions: [nodev]}`,
			[]string{"spec", "bindMountOptions"},
			[]any{"nodev"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.check(t, "narrows-"+name)
		})
	}
}

// narrowing is a list of two entries of which the manager takes one away.
type narrowing struct {
	two, one string // specs
	path     []string
	want     []any
}

// check checks that a list is narrowed though another manager owns other fields, and that these stay.
func (c *narrowing) check(t *testing.T, policy string) {
	t.Helper()
	if err := apply(t, "first", policy, c.two); err != nil {
		t.Fatal(err)
	}
	list, ok := at(t, get(t, policy), c.path...).([]any)
	if !ok || len(list) != 2 {
		t.Fatalf("applied are %v, want two entries", list)
	}
	if err := apply(t, "second", policy, `{priority: 7, memory: {reserve: 64Mi}}`); err != nil {
		t.Fatal(err)
	}
	if err := apply(t, "first", policy, c.one); err != nil {
		t.Fatal(err)
	}
	got := get(t, policy)
	if diff := cmp.Diff(any(c.want), at(t, got, c.path...)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if priority := at(t, got, "spec", "priority"); priority != int64(7) {
		t.Errorf("the second manager's priority has become %v, want 7", priority)
	}
	if reserve := at(t, got, "spec", "memory", "reserve"); reserve != "64Mi" {
		t.Errorf("the second manager's reserve has become %v, want 64Mi", reserve)
	}
}

// A list has one owner: nobody adds to what another manager wrote without being told.
func TestServerSideApply_ListOfAnotherManager(t *testing.T) {
	const policy = "list-of-another"
	if err := apply(t, "first", policy, `{match: [{images: [a]}]}`); err != nil {
		t.Fatal(err)
	}
	err := apply(t, "second", policy, `{match: [{images: [b]}]}`)
	if !apierrors.IsConflict(err) {
		t.Errorf("a second manager's match: %v, want a conflict", err)
	}
	want := []any{map[string]any{"images": []any{"a"}}}
	if diff := cmp.Diff(any(want), at(t, get(t, policy), "spec", "match")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
