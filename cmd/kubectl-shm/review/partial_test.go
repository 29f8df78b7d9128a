package review

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
)

const notYAML = "apiVersion: v1\nkind: Pod\nmetadata: {name: a\nspec: {}\n"

// What is wrong with the files of TestReview_BrokenFileHidesNothing.
const brokenFiles = `error: missing.yaml: there is no such file or directory: check the path
broken.yaml:3: is not YAML: did not find expected ',' or '}': correct the syntax there
two.yaml:8: spec.containers[0].resources.limits.memory: "-1Gi" is negative: write a quantity such as 512Mi
`

func TestReview_BrokenFileHidesNothing(t *testing.T) {
	files := []string{
		"broken.yaml", notYAML,
		"good.yaml", mountedOnDisk,
		"two.yaml", podWithVolume("-1Gi", "") + "---\n" + clitest.Pod,
	}
	for _, test := range []struct {
		output string
		says   []string
	}{
		{"report", []string{"Violating  Pod/shop/browser", "Mutated    Pod/default/browser", "2 reviewed under the library's policies: 1 Mutated, 1 Violating; 1 would be rejected; not all could be read: 3 errors\n"}},
		{"table", []string{"Violating  Pod/shop/browser     selenium", "good.yaml:1", "Mutated    Pod/default/browser", "two.yaml:14"}},
		{"json", []string{`"name": "browser"`, `"outcome": "Violating"`, `"file": "good.yaml"`, `"outcome": "Mutated"`, `"file": "two.yaml"`, `"line": 14`}},
		{"diff", []string{"--- two.yaml"}},
		{"patch", []string{`"name": "browser"`}},
		{"sarif", []string{`"executionSuccessful": false`, `"text": "is not YAML`, `"uri": "broken.yaml"`, `"ruleId": "SHM002"`, `"ruleId": "AddVolume"`}},
		{"junit", []string{`tests="5" failures="1" errors="3"`, `file="broken.yaml" line="3"`, `<failure message="violates SharedMemoryPolicy`}},
		{"github", []string{"::error file=broken.yaml,line=3,title=InvalidManifest::is not YAML", "::error file=two.yaml,line=8,", "::error file=good.yaml,line=6,title=SHM002 Pod/shop/browser::violates", "::warning file=two.yaml,line=14,title=AddVolume"}},
	} {
		t.Run(test.output, func(t *testing.T) {
			clitest.InDir(t, files...)
			got := shm("", "review", "-f", "broken.yaml", "-f", "good.yaml", "-f", "two.yaml", "-f", "missing.yaml", "-o", test.output)
			if got.Code != cli.ExitUsage {
				t.Errorf("exit status %d, want %d", got.Code, cli.ExitUsage)
			}
			if !strings.HasPrefix(got.ErrOut, brokenFiles) {
				t.Errorf("standard error is\n%s, want it to begin with\n%s", got.ErrOut, brokenFiles)
			}
			clitest.InOrder(t, got.Out, test.says)
		})
	}
	t.Run("yaml, which would lose what is broken, writes nothing", func(t *testing.T) {
		clitest.InDir(t, files...)
		got := shm("", "review", "-f", "broken.yaml", "-f", "good.yaml", "-o", "yaml")
		if got.Code != cli.ExitUsage || got.Out != "" || !strings.Contains(got.ErrOut, "broken.yaml:3") {
			t.Errorf("got %+v", got)
		}
	})
}

// Each broken file is named, however many there are.
func TestReview_EachBrokenFileIsNamed(t *testing.T) {
	clitest.InDir(t, "good.yaml", clitest.Pod)
	const n = 100
	for i := range n {
		if err := os.WriteFile("broken"+strings.Repeat("x", i)+".yaml", []byte(notYAML), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := shm("", "review", "-f", ".")
	if named := strings.Count(got.ErrOut, ".yaml:3: is not YAML"); named != n || !strings.Contains(got.Out, "1 Mutated") {
		t.Errorf("%d of %d files are named, and the report is\n%s", named, n, got.Out)
	}
}

func TestReview_FailOn(t *testing.T) {
	for args, want := range map[string][2]int{ // for what is changed, and what is rejected
		"":                                  {cli.ExitOK, cli.ExitRejected},
		"--fail-on violating":               {cli.ExitOK, cli.ExitRejected},
		"--fail-on changed":                 {cli.ExitRejected, cli.ExitRejected},
		"--fail-on never":                   {cli.ExitOK, cli.ExitOK},
		"--fail-on changed --mode warn":     {cli.ExitOK, cli.ExitOK},
		"--fail-on changed -o json --all":   {cli.ExitRejected, cli.ExitRejected},
		"--fail-on never -o sarif --all":    {cli.ExitOK, cli.ExitOK},
		"--fail-on violating -o junit":      {cli.ExitOK, cli.ExitRejected},
		"--fail-on changed -o github --all": {cli.ExitRejected, cli.ExitRejected},
	} {
		for i, in := range []string{clitest.Pod, mountedOnDisk} {
			if got := shm(in, append([]string{"review", "-f", "-"}, strings.Fields(args)...)...); got.Code != want[i] {
				t.Errorf("%s: exit status %d, want %d of\n%s", args, got.Code, want[i], in)
			}
		}
	}
}

// GitHub takes a line break, a colon or a comma for a part of the command.
func TestReview_GitHubEscapes(t *testing.T) {
	clitest.InDir(t, "a,b:c%.yaml", strings.Replace(mountedOnDisk, "name: browser", `name: "br\nowser"`, 1))
	got := shm("", "review", "-f", "a,b:c%.yaml", "-o", "github")
	first, _, _ := strings.Cut(got.Out, "\n")
	if !strings.HasPrefix(first, "::error file=a%2Cb%3Ac%25.yaml,line=6,title=SHM002 Pod/shop/\"br\\nowser\"::violates") {
		t.Errorf("got %s", first)
	}
}

func TestReview_JUnitIsXML(t *testing.T) {
	in := strings.Replace(mountedOnDisk, "name: browser", `name: "<a & b> ]]> \u0001"`, 1)
	got := shm(in, "review", "-f", "-", "-o", "junit")
	var suites junitSuites
	if err := xml.Unmarshal([]byte(got.Out), &suites); err != nil {
		t.Fatalf("%v in\n%s", err, got.Out)
	}
	if suites.Failures != 1 || len(suites.Suites) != 1 || suites.Suites[0].Cases[0].Failure == nil {
		t.Errorf("got %+v", suites)
	}
}

// The figures of a Pod are those that the scheduler sees.
func TestReview_JSONFigures(t *testing.T) {
	in := `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 3, template: {spec: {
  initContainers: [{name: side, image: a, restartPolicy: Always, resources: {limits: {memory: 64Mi}}}],
  containers: [{name: chrome, image: selenium/node-chrome, resources: {limits: {memory: 512Mi}, requests: {memory: 256Mi}}}, {name: b, image: b}]}}}}`
	got := shm(in, "review", "-f", "-", "-o", "json")
	var results []struct {
		Replicas      *int64
		Checks        []string
		Before, After jsonFigures
	}
	if err := json.Unmarshal([]byte(got.Out), &results); err != nil || len(results) != 1 || results[0].Replicas == nil {
		t.Fatalf("%v: %s", err, got.Out)
	}
	const mib = 1 << 20
	r := results[0]
	// The volume of 2Gi costs 2053Mi, of which 512Mi are in use on average.
	want := [2]jsonFigures{{0, (512 + 64) * mib, (256 + 64) * mib}, {2048 * mib, (512 + 64 + 2053) * mib, (256 + 64 + 512) * mib}}
	if diff := cmp.Diff(want, [2]jsonFigures{r.Before, r.After}); diff != "" || *r.Replicas != 3 || !cmp.Equal(r.Checks, []string{"SHM001"}) {
		t.Errorf("replicas %d, checks %q, figures (-want +got)\n%s", *r.Replicas, r.Checks, diff)
	}
	report := shm(in, "review", "-f", "-")
	if want := "memory that is added: 1536Mi of requests, 6159Mi of limits, for 3 Pods of 1 object\n"; !strings.Contains(report.Out, want) {
		t.Errorf("no %q in\n%s", want, report.Out)
	}
}

func TestReview_Against(t *testing.T) {
	in := clitest.Pod + "---\n" + mountedOnDisk + "---\n{apiVersion: v1, kind: Pod, metadata: {name: other}, spec: {containers: [{name: a, image: nginx}]}}\n"
	got := shm(in, "review", "-f", "-", "-p", "selenium", "--against", "ray")
	want := clitest.Result{Code: cli.ExitRejected, Out: `Pod/default/browser
  before: NotMatched
  now:    Mutated by policy "selenium", 2Gi: adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome"
Pod/shop/browser
  before: NotMatched
  now:    Violating by policy "selenium", 2Gi: ` + strings.TrimPrefix(diskViolation, `SharedMemoryPolicy "selenium": `) + `

3 reviewed under the policies of -p selenium, against -p ray: 2 change (1 NotMatched to Mutated, 1 NotMatched to Violating); 1 would be rejected that would not have been
`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := shm(in, "review", "-f", "-", "-p", "selenium", "--against", "selenium", "--fail-on", "changed"); got.Code != cli.ExitOK || got.Out != "3 reviewed under the policies of -p selenium, against -p selenium: 0 change\n" {
		t.Errorf("against itself: got %+v", got)
	}
	var list []jsonChange
	if got := shm(in, "review", "-f", "-", "-p", "selenium", "--against", "ray", "-o", "json"); json.Unmarshal([]byte(got.Out), &list) != nil || len(list) != 2 || list[0].Before.Outcome != "NotMatched" || list[0].After.Outcome != "Mutated" {
		t.Errorf("got %+v", got)
	}
	if got := shm(in, "review", "-f", "-", "--against", "ray", "-o", "yaml"); got.Code != cli.ExitUsage || !strings.Contains(got.ErrOut, "-o yaml has no place for a comparison") {
		t.Errorf("-o yaml: got %+v", got)
	}
}

// tree is a repository as many have it.
var tree = []string{
	"apps/good.yaml", clitest.Pod,
	"base/kustomization.yaml", "resources: [deployment.yaml]\n",
	"base/deployment.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: chrome, image: selenium/node-chrome}]}}}}\n",
	"overlay/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../base]\nnamePrefix: prod-\npatches:\n- path: memory.yaml\n- path: ops.json\n  target: {kind: Deployment}\nconfigMapGenerator:\n- name: settings\n  files: [settings.yaml, other=more.yaml]\n",
	"overlay/memory.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: chrome, resources: {limits: {memory: 512Mi}}}]}}}}\n",
	"overlay/ops.json", `[{"op": "add", "path": "/spec/replicas", "value": 3}]`,
	"overlay/settings.yaml", "a: 1\n",
	"overlay/more.yaml", "b: 1\n",
	"chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n",
	"chart/values.yaml", "image: selenium/node-chrome\n",
	"chart/templates/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Release.Name }}}\nspec: {containers: [{name: a, image: {{ .Values.image | quote }}}]}\n",
	"chart/crds/crd.yaml", "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a}}\n",
	"prod-values.yaml", "image: selenium/node-chrome\n",
	"compose.yaml", "services: {web: {image: nginx}}\n",
	"flux/kustomization.yaml", "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: a}}\n",
}

func TestReview_KustomizationsAndChartsAreNamed(t *testing.T) {
	clitest.InDir(t, tree...)
	got := shm("", "review", "-R", "-f", ".")
	want := clitest.Result{Out: `Mutated  Pod/default/browser     selenium  2Gi
  adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome"
` + noFigures + `Mutated  Deployment/default/web  selenium  2Gi
  adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome"
` + noFigures + `note: 2 kustomizations (base, overlay) are not rendered: review what it makes with -k DIR
note: chart has a Helm chart, which is not rendered: review what it makes with -k chart and --values FILE, for which helm has to be on the PATH
note: prod-values.yaml has values for a Helm chart and is not reviewed: review the chart with -k DIR --values prod-values.yaml
note: compose.yaml has no API object and is skipped: add kind and apiVersion to what is to be reviewed

2 reviewed under the library's policies: 2 Mutated; 4 skipped (2 "document without kind and apiVersion", 1 CustomResourceDefinition, 1 Kustomization)
`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A file that is named is recognized too, as a pre-commit hook names it.
func TestReview_NamedPartsAreRecognized(t *testing.T) {
	for file, note := range map[string]string{
		"overlay/kustomization.yaml": "note: overlay has a kustomization, which is not rendered: review what it makes with -k overlay\n",
		"chart/Chart.yaml":           "note: chart has a Helm chart, which is not rendered",
		"chart/templates/pod.yaml":   "note: chart has a Helm chart, which is not rendered",
		"prod-values.yaml":           "note: prod-values.yaml has values for a Helm chart",
		"overlay/ops.json":           "note: overlay has a kustomization, which is not rendered",
	} {
		clitest.InDir(t, tree...)
		if got := shm("", "review", "-f", file); got.Code != cli.ExitOK || !strings.HasPrefix(got.Out, note) {
			t.Errorf("%s: got %+v", file, got)
		}
	}
	clitest.InDir(t, tree...)
	if got := shm("", "review", "-f", "compose.yaml"); got.Code != cli.ExitUsage || got.ErrOut != "error: compose.yaml:1: kind: is missing: say what the object is, such as kind: Pod\n" {
		t.Errorf("what is named is meant to be a manifest: got %+v", got)
	}
}
