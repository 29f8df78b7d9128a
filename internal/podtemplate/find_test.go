package podtemplate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/internal/podtemplate"
)

const review = ": review the Pods that are made from it (kubectl get pods -o yaml)"

// object decodes YAML as the command line does.
func object(t testing.TB, text string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return o
}

// lines writes what Find returns in one line for each template and each unread place:
//
//	Form pointer name=image,name=image [init name=image] [volumes a,b] [labels a=b] [suspended] [queue q]
//	unread pointer why
func lines(found []podtemplate.Template, unread []podtemplate.Unread) []string {
	var out []string
	names := func(list []corev1.Container) string {
		var s []string
		for i := range list {
			s = append(s, list[i].Name+"="+list[i].Image)
		}
		return strings.Join(s, ",")
	}
	for _, f := range found {
		line := fmt.Sprintf("%s %q %s", f.Form, f.Pointer, names(f.Spec.Containers))
		if len(f.Spec.InitContainers) > 0 {
			line += " init " + names(f.Spec.InitContainers)
		}
		if len(f.Spec.Volumes) > 0 {
			var volumes []string
			for _, v := range f.Spec.Volumes {
				volumes = append(volumes, v.Name)
			}
			line += " volumes " + strings.Join(volumes, ",")
		}
		if len(f.Meta.Labels) > 0 {
			line += fmt.Sprintf(" labels %v", f.Meta.Labels)
		}
		if f.Suspended {
			line += " suspended"
		}
		if f.QueueName != "" {
			line += " queue " + f.QueueName
		}
		out = append(out, line)
	}
	for _, u := range unread {
		out = append(out, fmt.Sprintf("unread %q %s", u.Pointer, u.Why))
	}
	return out
}

func TestFind_Pointer(t *testing.T) {
	found, _ := podtemplate.Find(object(t, `{"a/b": {"~c": [{}, {spec: {containers: [{name: c}]}}]}}`))
	if len(found) != 1 || found[0].Pointer != "/a~1b/~0c/1" {
		t.Errorf("got %v", lines(found, nil))
	}
}

func TestFind_OddMaps(t *testing.T) {
	found, unread := podtemplate.Find(map[string]any{
		"numbers": map[any]any{1: "a"},
		"pod":     map[string]any{"containers": []any{map[string]any{"name": "c", "args": map[any]any{1: 1}}}},
	})
	want := []string{
		`unread "/numbers" has keys that are not strings, and is not looked at: put them in quotes`,
		`unread "/pod" cannot be read: it is not JSON (json: unsupported type: map[interface {}]interface {}): write keys in quotes`,
	}
	if diff := cmp.Diff(want, lines(found, unread)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if found, unread := podtemplate.Find(nil); found != nil || unread != nil {
		t.Errorf("of nothing: %v", lines(found, unread))
	}
}
