package commandline_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
)

// validSARIF fails unless a text is valid by the schema of SARIF 2.1.0, which go-sarif has in it. It validates what it
// has read, so nothing of the text may be lost in that.
func validSARIF(t *testing.T, text []byte) {
	t.Helper()
	report, err := sarif.FromBytes(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Validate(); err != nil {
		t.Errorf("not valid: %v", err)
	}
	again, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(again, &got); err != nil {
		t.Fatal(err)
	}
	if lost := lostIn("", want, got); lost != "" {
		t.Errorf("SARIF has no %s", lost)
	}
}

// lostIn returns the first place that one value has and another has not, or has another value of.
func lostIn(path string, want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		other, _ := got.(map[string]any)
		for key, value := range want {
			if lost := lostIn(path+"."+key, value, other[key]); lost != "" {
				return lost
			}
		}
	case []any:
		other, _ := got.([]any)
		for i, value := range want {
			if i >= len(other) {
				return fmt.Sprintf("%s[%d]", path, i)
			}
			if lost := lostIn(fmt.Sprintf("%s[%d]", path, i), value, other[i]); lost != "" {
				return lost
			}
		}
	default:
		if !reflect.DeepEqual(want, got) {
			return path
		}
	}
	return ""
}

// What is rejected, changed, warned of and broken.
func TestSARIF_IsValid(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, append([]string{
		"with space, and comma.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: selenium/node-chrome, volumeMounts: [{name: d, mountPath: /dev/shm}]}], volumes: [{name: d, emptyDir: {}}]}}\n",
	}, repository...)...)
	got := execute(t, dir, "kubectl-shm", "review", "-R", "-f", ".", "-o", "sarif")
	if got.status != 2 || !strings.Contains(got.out, `"ruleId": "SHM002"`) || !strings.Contains(got.out, `"ruleId": "AddVolume"`) || !strings.Contains(got.out, `"with%20space,%20and%20comma.yaml"`) {
		t.Errorf("exit status %d: %s", got.status, got.out)
	}
	validSARIF(t, []byte(got.out))
}

func TestSARIF_Validator(t *testing.T) {
	if lost := lostIn("", map[string]any{"a": []any{map[string]any{"b": 1.0}}}, map[string]any{"a": []any{map[string]any{}}}); lost != ".a[0].b" {
		t.Errorf("got %q", lost)
	}
	report, err := sarif.FromBytes([]byte(`{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "a"}}, "results": [{"ruleId": "a", "level": "serious", "message": {"text": "a"}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Validate(); err == nil {
		t.Error("a level that there is not is valid")
	}
}
