package review

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/internal/podkind"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// commandLine evaluates by what review prints: as JSON, and as the YAML that it writes.
type commandLine struct{}

func TestReview_EvaluatesLikeTheEngine(t *testing.T) { policytest.Run(t, commandLine{}) }

func (commandLine) Evaluate(t *testing.T, c policytest.Case) policytest.Result {
	dir := t.TempDir()
	args := []string{"review", "-f", writeManifests(t, dir, c)}
	for _, p := range c.AllPolicies(t) {
		p.APIVersion, p.Kind = v1alpha1.GroupVersion.String(), v1alpha1.Kind
		path := filepath.Join(dir, "policies", p.Name+".yaml")
		args = append(args, "-p", path)
		writeYAML(t, path, p)
	}
	for k, v := range c.NamespaceLabels {
		args = append(args, "--namespace-labels", k+"="+v)
	}
	for _, mirror := range c.ImageMirrors {
		args = append(args, "--image-mirrors", mirror)
	}

	var results []struct {
		Outcome    policy.Outcome
		Reason     policy.Reason
		Policy     string
		Detail     string
		Violations []policy.Violation
		Warnings   []string
	}
	if err := json.Unmarshal(printed(t, append(args, "-o", "json")), &results); err != nil || len(results) != 1 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	r := results[0]
	got := policytest.Result{Outcome: r.Outcome, Reason: r.Reason, Policy: r.Policy, Messages: []string{r.Detail}}
	for _, warning := range r.Warnings {
		if !strings.Contains(warning, reviewer.UnknownLimitRange) { // the engine knows of no LimitRanges that are not there
			got.Warnings = append(got.Warnings, warning)
		}
	}
	for _, v := range r.Violations {
		got.Violations = append(got.Violations, v.Reason)
		got.Messages = append(got.Messages, v.Detail)
	}

	// The first document that is written is the object.
	first, _, _ := bytes.Cut(printed(t, append(args, "-o", "yaml")), []byte("\n---\n"))
	after := c.Typed(t)
	if err := yaml.Unmarshal(first, after); err != nil {
		t.Fatal(err)
	}
	got.Spec = podkind.SpecOf(after)
	return got
}

// printed runs the command, which may reject the object but has to understand it.
func printed(t *testing.T, args []string) []byte {
	t.Helper()
	got := shm("", args...)
	if got.Code == cli.ExitUsage {
		t.Fatalf("%v: %s", args, got.ErrOut)
	}
	return []byte(got.Out)
}

func writeManifests(t *testing.T, dir string, c policytest.Case) string {
	t.Helper()
	text, err := yaml.JSONToYAML(c.Object.Raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range c.LimitRanges {
		l.APIVersion, l.Kind = "v1", "LimitRange"
		more, err := yaml.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, "---\n"...), more...)
	}
	for _, q := range c.ResourceQuotas {
		q.APIVersion, q.Kind = "v1", "ResourceQuota"
		more, err := yaml.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, "---\n"...), more...)
	}
	path := filepath.Join(dir, "object.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeYAML(t *testing.T, path string, object any) {
	t.Helper()
	text, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
