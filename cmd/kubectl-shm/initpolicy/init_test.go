package initpolicy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/lint"
)

const exampleDir = "../../../examples/"

func TestInit(t *testing.T) {
	got := shm("", "init", "-f", exampleDir+"incident-deployment.yaml", "--files-per-minute", "18", "--file-size", "1500", "--retention", "168h", "--name", "outposts")
	clitest.Golden(t, "incident.yaml", []byte(got.Out))
	if got.Code != cli.ExitOK || !strings.HasPrefix(got.ErrOut, "Deployment/authentik/ak-outpost-authentik-embedded-outpost: Mutated, adds a Memory emptyDir of 897Mi") {
		t.Errorf("got %+v", got)
	}
}

// What it writes is valid, matches the workload, and is no cause for a warning of lint.
func TestInit_PoliciesAreValid(t *testing.T) {
	mounted := "{apiVersion: v1, kind: Pod, metadata: {name: 'A.b-', labels: {app: x.y}}, spec: {containers: [{name: main, image: a}, {name: w, image: w, volumeMounts: [{name: d, mountPath: /dev/shm/}]}], volumes: [{name: d, emptyDir: {medium: Memory, sizeLimit: 300Mi}}]}}\n"
	named := "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: main, image: 'reg:5000/a/b:1@sha256:0'}, {name: w, image: w, args: [--tmp=/dev/shm]}]}}\n"
	for name, test := range map[string]struct {
		in, args string
		says     []string
	}{
		"a guess": {clitest.Pod, "", []string{"- images: [selenium/node-chrome]\n", "names: [chrome]\n", "# The size is A GUESS, CORRECT IT", "size: 256Mi\n"}},
		"the volume that is mounted": {
			strings.Replace(mounted, "A.b-", "web", 1), "", []string{"name: web\n", "app: x.y\n", "names: [w]\n", "volume \"d\", which the manifest mounts there", "size: 300Mi\n"},
		},
		"the container that names the path": {named, "", []string{"names: [w]\n"}},
		"the container that is given":       {named, "-c main", []string{"- images: [reg:5000/a/b]\n", "names: [main]\n"}},
		"a size":                            {clitest.Pod, "--size 1Gi", []string{"as --size says", "size: 1Gi\n"}},
		"a data loader":                     {clitest.Pod, "--workers 8 --batch-bytes 38535168", []string{"as the flags say", "units:\n", "literal: 1\n"}},
		"a policy of the library":           {clitest.Pod, "-p ray", []string{"that of policy \"ray\"", "memoryPercent:\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, append([]string{"init", "-f", "-"}, strings.Fields(test.args)...)...)
			if got.Code != cli.ExitOK {
				t.Fatalf("got %+v", got)
			}
			clitest.InOrder(t, got.Out, test.says)
			if got := clitest.Run(got.Out, []string{"lint", "-f", "-"}, lint.Command); got.Code != cli.ExitOK || strings.Contains(got.Out, ": error: ") {
				t.Errorf("lint: %+v", got)
			}
		})
	}
}

// A workload as kubectl prints it from a cluster, with what the API server has added.
func TestInit_OfACluster(t *testing.T) {
	live := `apiVersion: apps/v1
kind: Deployment
metadata:
  annotations: {deployment.kubernetes.io/revision: "3"}
  creationTimestamp: "2026-11-20T08:00:00Z"
  generation: 3
  labels: {app: web}
  managedFields:
  - {apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:replicas": {}}}, manager: kubectl, operation: Update, time: "2026-11-20T08:00:00Z"}
  name: web
  namespace: shop
  resourceVersion: "4711"
  uid: 0b6f6f0e-7b0a-4b7e-9d4e-6f3d0c1c2b3a
spec:
  progressDeadlineSeconds: 600
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {image: example.com/web:2, imagePullPolicy: IfNotPresent, name: web, resources: {limits: {memory: 1Gi}, requests: {memory: 1Gi}}, terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File}
      dnsPolicy: ClusterFirst
      restartPolicy: Always
status: {availableReplicas: 2, observedGeneration: 3, replicas: 2}
`
	for name, in := range map[string]string{
		"one":    live,
		"a list": "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSuffix(live, "\n"), "\n", "\n  ") + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			got := shm(in, "init", "-f", "-", "--size", "300Mi")
			if got.Code != cli.ExitOK || !strings.HasPrefix(got.ErrOut, "Deployment/shop/web: Mutated, adds a Memory emptyDir of 300Mi") {
				t.Errorf("got %+v", got)
			}
			clitest.InOrder(t, got.Out, []string{"name: web\n", "app: web\n", "names: [web]\n", "size: 300Mi\n"})
		})
	}
}

func TestInit_BadUsage(t *testing.T) {
	two := clitest.Pod + "---\n" + strings.Replace(clitest.Pod, "name: browser", "name: other", 1)
	for args, test := range map[string]struct{ in, want string }{
		"":                        {"", "-f is missing: give a file, a directory, or - for standard input"},
		"-f -":                    {two, "--object: is missing, and there are several Pod templates: give one of Pod/browser, Pod/other"},
		"-f - --object Pod/othr":  {two, `--object: "Pod/othr" is not in the input: did you mean Pod/other? If not, give one of Pod/browser, Pod/other`},
		"-f - -c chrme":           {clitest.Pod, `--container: "chrme" is not a container of Pod/default/browser: did you mean chrome? If not, give one of chrome`},
		"-f - --size 1Gi -p ray":  {clitest.Pod, `--size: "1Gi" cannot be combined with flags that describe what is written: leave one of them out`},
		"-f - -p -":               {clitest.Pod, `-p: "-" is stdin, which -f reads already: give the policy as a file`},
		"-f - --size -1":          {clitest.Pod, `--size: "-1" is negative: write a quantity such as 512Mi`},
		"-f - --name A_b":         {clitest.Pod, "the policy:6: metadata.name: "},
		"-f - --files-per-minute": {clitest.Pod, "flag needs an argument: --files-per-minute: see kubectl shm init --help"},
	} {
		got := shm(test.in, append([]string{"init"}, strings.Fields(args)...)...)
		if got.Code != cli.ExitUsage || !strings.HasPrefix(got.ErrOut, "error: "+test.want) {
			t.Errorf("%s (-want +got)\n%s", args, cmp.Diff("error: "+test.want+"\n", got.ErrOut))
		}
	}
}
