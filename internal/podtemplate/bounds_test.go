package podtemplate_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/internal/podtemplate"
)

// pod returns a template with one container.
func pod() map[string]any {
	return map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": "i"}}}}
}

// podWith returns a template whose spec has one more field.
func podWith(field string, value any) map[string]any {
	return map[string]any{"spec": map[string]any{
		"containers": []any{map[string]any{"name": "c", "image": "i"}}, field: value,
	}}
}

func pods(n int) map[string]any {
	var list []any
	for range n {
		list = append(list, pod())
	}
	return map[string]any{"items": list}
}

// within puts a value into n maps under the given key.
func within(value any, key string, n int) map[string]any {
	for range n - 1 {
		value = map[string]any{key: value}
	}
	return map[string]any{key: value}
}

const tooMany = `" is where looking ended: the object has more than 500000 values or 16 MiB of text: ` +
	`split it into several objects`

func TestFind_Bounds(t *testing.T) {
	atDepth := func(n int) string { return strings.Repeat("/a", n) }
	manyNumbers := make([]any, podtemplate.MaxValues)
	for i := range manyNumbers {
		manyNumbers[i] = i
	}
	deepPod := podWith("volumes", within(1, "v", podtemplate.MaxDepth+1))
	long := strings.Repeat("k", podtemplate.MaxPointer)
	for name, tc := range map[string]struct {
		object map[string]any
		found  int
		unread []string
	}{
		"as deep as may be": {
			object: within(pod(), "a", podtemplate.MaxDepth), found: 1,
		},
		"too deep": {
			object: map[string]any{"one": within(pod(), "a", podtemplate.MaxDepth), "two": within(pod(), "a", podtemplate.MaxDepth)},
			unread: []string{`unread "/one` + atDepth(podtemplate.MaxDepth) + `" is not looked at, nor is anything else below 64 levels` + review},
		},
		"too deep, with nothing there": {
			object: within(map[string]any{}, "a", 2*podtemplate.MaxDepth),
			unread: []string{`unread "` + atDepth(podtemplate.MaxDepth+1) + `" is not looked at, nor is anything else below 64 levels` + review},
		},
		"a number just too deep": {object: within(1, "a", podtemplate.MaxDepth+1)},
		"a template that is too deep in itself": {
			object: map[string]any{"template": deepPod},
			unread: []string{`unread "/template" is larger or deeper than what is looked at` + review},
		},
		"too many values before a template": {
			object: map[string]any{"a": manyNumbers, "b": pod()},
			unread: []string{`unread "/a/499998` + tooMany},
		},
		"too many values within a template": {
			object: map[string]any{"a": map[string]any{"spec": map[string]any{
				"containers": []any{map[string]any{"name": "c"}}, "tolerations": manyNumbers,
			}}, "b": pod()},
			unread: []string{`unread "/a` + tooMany},
		},
		"as many findings as may be": {object: pods(podtemplate.MaxFindings - 1), found: podtemplate.MaxFindings - 1},
		"too many findings": {
			object: pods(2 * podtemplate.MaxFindings),
			found:  podtemplate.MaxFindings - 1,
			unread: []string{`unread "/items/999" is where looking ended: the object has more than 999 places with containers: split it into several objects`},
		},
		"a key longer than a pointer may be": {
			object: map[string]any{"a": map[string]any{long: pod()}, "b": pod()},
			found:  1,
			unread: []string{`unread "/a" has a field that is not looked at, since the path to it is longer than 4096 bytes` + review},
		},
	} {
		t.Run(name, func(t *testing.T) {
			found, unread := podtemplate.Find(tc.object)
			if len(found) != tc.found {
				t.Errorf("%d templates, not %d", len(found), tc.found)
			}
			got := lines(nil, unread)
			if diff := cmp.Diff(tc.unread, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// An object that is small in memory may be endless when it is written out.
func TestFind_Shared(t *testing.T) {
	doubled := map[string]any{"x": strings.Repeat("x", 100)}
	for range 40 {
		doubled = map[string]any{"a": doubled, "b": doubled}
	}
	for name, object := range map[string]map[string]any{
		"maps that are shared, 2^40 if written out": {"a": doubled},
		"shared maps within a template": {"a": map[string]any{"spec": map[string]any{
			"containers": []any{map[string]any{"name": "c"}}, "volumes": doubled,
		}}},
		"a long string, shared": {"a": slices.Repeat([]any{strings.Repeat("x", 1<<20)}, 100)},
	} {
		t.Run(name, func(t *testing.T) {
			found, unread := podtemplate.Find(object)
			// Where it ends is of no interest.
			if len(found) > 0 || len(unread) != 1 || !strings.HasSuffix(lines(nil, unread)[0], tooMany) {
				t.Errorf("got %v", lines(found, unread))
			}
		})
	}
}

// TestFind_Linear counts what is looked at, in objects whose parts are of one kind, and each at two
// sizes.
func TestFind_Linear(t *testing.T) {
	broken := func() any { return podWith("hostIPC", "yes") }
	list := func(item func() any) func(n int) map[string]any {
		return func(n int) map[string]any {
			var items []any
			for range n {
				items = append(items, item())
			}
			return map[string]any{"items": items}
		}
	}
	for name, object := range map[string]func(n int) map[string]any{
		"templates":              list(func() any { return pod() }),
		"templates of bad types": list(broken),
		"inline PodSpecs":        list(func() any { return pod()["spec"] }),
		"steps":                  list(func() any { return map[string]any{"image": "a/b:1", "args": []any{"x"}} }),
		"inline PodSpecs within one another": func(n int) map[string]any {
			var m map[string]any
			for range n / 20 {
				m = map[string]any{"containers": []any{map[string]any{"name": "c"}}, "workerSpec": m}
			}
			return m
		},
		"templates of a workflow that share volumes": func(n int) map[string]any {
			var templates, volumes []any
			for i := range n {
				name := fmt.Sprint(i)
				volumes = append(volumes, map[string]any{"name": name})
				templates = append(templates, map[string]any{"container": map[string]any{
					"image": "i", "volumeMounts": []any{map[string]any{"name": name, "mountPath": "/m"}},
				}})
			}
			return map[string]any{"templates": templates, "volumes": volumes}
		},
	} {
		t.Run(name, func(t *testing.T) {
			small, _ := podtemplate.Spent(object(400))
			large, _ := podtemplate.Spent(object(800))
			if small < 20 || large > 2*small+10 {
				t.Errorf("%d values for 400 parts, %d for 800", small, large)
			}
		})
	}
}

// FuzzFind looks for objects that end it, change while it looks, or are looked at too often.
func FuzzFind(f *testing.F) {
	for _, text := range []string{
		`{"kind":"Pod","apiVersion":"v1","spec":{"containers":[{"name":"c","image":"i"}]}}`,
		`{"spec":{"suspend":true,"runPolicy":{"suspend":true},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"image":"i","resources":{"limits":{"memory":"1Gi"}}}]}}}}`,
		`{"apiVersion":"serving.knative.dev/v1","kind":"Service","spec":{"template":{"spec":{"containers":[{"image":"i"},{"image":"j"}]}}}}`,
		`{"apiVersion":"serving.kserve.io/v1beta1","kind":"InferenceService","spec":{"predictor":{"containers":[{"image":"i"}],"labels":{},"model":{"modelFormat":{}}}}}`,
		`{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","spec":{"volumes":[{"name":"v"}],"podMetadata":{"labels":{"a":"b"}},"templates":[{"container":{"image":"i","volumeMounts":[{"name":"v"}]},"sidecars":[{}],"metadata":{"labels":{"c":"d"}}},{"script":{"image":"i"}},{"containerSet":{"containers":[{"name":"c"}],"volumeMounts":[{"name":"v"}]}}]}}`,
		`{"spec":{"containers":{"image":"i"}},"a":{"containers":[{"name":1},null,[],{"name":"c","resources":{"limits":{"cpu":{}}}}]}}`,
		`{"steps":[{"image":"a/b"},{"image":"i","script":"s"},{"imageName":"a:1"},1]}`,
		`{"apiVersion":"kyverno.io/v1","kind":"Policy","spec":{"pattern":{"spec":{"containers":[{"image":"*"}]}}},"text":"containers: image:","podSpecPatch":"p"}`,
		`{"":{"":{"/~":[[{"containers":[{"name":"\u0000\ud800"}]}]]}}}`,
		`{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"annotations":{"autoscaling.alpha.kubernetes.io/metrics":"[{}]"}},"spec":{"metrics":[{"type":"Resource","resource":{"name":"memory","target":{"type":"Utilization"}}}]}}`,
		`{"apiVersion":"autoscaling.k8s.io/v1","kind":"VerticalPodAutoscaler","spec":{"resourcePolicy":{"containerPolicies":[null,{"controlledResources":["memory",1]}]}}}`,
		`{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledObject","spec":{"triggers":[{"type":"memory","metadata":{"type":1}}]}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var object, before map[string]any
		if json.Unmarshal(text, &object) != nil || json.Unmarshal(text, &before) != nil {
			t.Skip("not an object")
		}
		found, unread := podtemplate.Find(object)
		podtemplate.ScalerOf(object)
		if diff := cmp.Diff(before, object); diff != "" {
			t.Fatalf("the object has changed (-before +after)\n%s", diff)
		}
		again, unreadAgain := podtemplate.Find(object)
		if diff := cmp.Diff(lines(found, unread), lines(again, unreadAgain)); diff != "" {
			t.Fatalf("the second time is another (-first +second)\n%s", diff)
		}
		for _, tmpl := range found {
			if tmpl.Meta == nil || tmpl.Spec == nil || len(tmpl.Spec.Containers) == 0 {
				t.Errorf("template at %q without containers", tmpl.Pointer)
			}
			if _, ok := at(object, tmpl.Pointer).(map[string]any); !ok {
				t.Errorf("nothing at %q", tmpl.Pointer)
			}
		}
		for _, u := range unread {
			if u.Why == "" || len(u.Why) > 1<<10 || at(object, u.Pointer) == nil {
				t.Errorf("at %q: %q", u.Pointer, u.Why)
			}
		}
		if strings.Contains(string(text), "podMetadata") || strings.Contains(string(text), "containerSet") {
			return // what their templates share counts for each of them
		}
		if values, length := podtemplate.Spent(object); values > 2*len(text) || length > 8*len(text) {
			t.Errorf("%d bytes of JSON: looked at %d values, %d bytes", len(text), values, length)
		}
	})
}

// at follows a JSON pointer. It returns nil if there is nothing.
func at(value any, pointer string) any {
	if pointer == "" {
		return value
	}
	for _, step := range strings.Split(pointer, "/")[1:] {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}
