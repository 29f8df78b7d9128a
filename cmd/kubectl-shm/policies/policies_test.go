package policies

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/manifests/policies"
)

func TestPolicies_Outputs(t *testing.T) {
	tests := map[string]struct {
		golden string
		args   []string
	}{
		"the table":                           {"table.txt", nil},
		"a page of a policy of files":         {"files.txt", []string{"authentik-proxy-outposts"}},
		"a page of a policy with many images": {"images.txt", []string{"oracle-database"}},
		"a page of a policy by the unit":      {"units.txt", []string{"frigate"}},
		"one as JSON":                         {"one.json", []string{"puppeteer", "-o", "json"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm("", append([]string{"policies"}, test.args...)...)
			if got.Code != cli.ExitOK || got.ErrOut != "" {
				t.Errorf("exit status %d, standard error %q", got.Code, got.ErrOut)
			}
			clitest.Golden(t, test.golden, []byte(got.Out))
		})
	}
}

func TestPolicies_YAMLIsTheFiles(t *testing.T) {
	var all string
	for i, f := range policies.All() {
		if i > 0 {
			all += "---\n"
		}
		all += string(f.YAML)
		if got := shm("", "policies", f.Name, "-o", "yaml"); got.Out != string(f.YAML) {
			t.Errorf("%s is not its file: %s", f.Name, cmp.Diff(string(f.YAML), got.Out))
		}
	}
	got := shm("", "policies", "-o", "yaml")
	if diff := cmp.Diff(all, got.Out); diff != "" {
		t.Errorf("all of them (-want +got)\n%s", diff)
	}
	if again := shm(got.Out, "lint", "-f", "-"); again.Code != cli.ExitOK {
		t.Errorf("the stream is not clean: %+v", again)
	}
}

func TestPolicies_InvalidArguments(t *testing.T) {
	for args, want := range map[[2]string]string{
		{"outposts"}:   `"outposts" is not a built-in policy: kubectl shm policies lists them`,
		{"ray", "b"}:   `"b" is one name too many: give one or none`,
		{"-o", "wide"}: `invalid argument "wide" for "-o, --output" flag: write text, yaml or json: see kubectl shm policies --help`,
	} {
		list := []string{"policies", args[0]}
		if args[1] != "" {
			list = append(list, args[1])
		}
		if diff := cmp.Diff(clitest.Result{Code: cli.ExitUsage, ErrOut: "error: " + want + "\n"}, shm("", list...)); diff != "" {
			t.Errorf("%v (-want +got)\n%s", args, diff)
		}
	}
}
