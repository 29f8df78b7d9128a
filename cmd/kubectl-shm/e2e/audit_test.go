package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

func quantity(text string) resource.Quantity { return resource.MustParse(text) }

// auditOutput is the part of the JSON that the tests read.
type auditOutput struct {
	Pods      int `json:"pods"`
	Workloads []struct {
		Kind, Namespace, Name, Result, Reason, Mode string
		Pods, Replicas                              int
	} `json:"workloads"`
	Namespaces []struct {
		Name     string
		Exceeded []struct {
			Quota                   string
			Hard, Used, NeededBytes int64
		} `json:"exceededQuotas"`
	} `json:"namespaces"`
	Notes []string `json:"notes"`
}

// The requirement: of 5,000 Pods in 200 namespaces exactly the planted offenders, in less than 10
// seconds.
func TestAudit_FindsExactlyThePlantedOffenders(t *testing.T) {
	c := start(t, envtest.Options{WithoutControllerManager: true})
	c.installCRD(t)
	c.create(t, unstored(policytest.AppPolicy("web", "web")), unstored(strictPolicy()))
	size := fleetSize()
	begin := time.Now()
	want := size.make(t, c)
	t.Logf("made %d Pods in %d namespaces in %s", size.pods, size.namespaces, time.Since(begin).Round(time.Second))

	program := build(t.Context(), t)
	cmd := exec.CommandContext(t.Context(), program, "audit", "-A", "-o", "json", "--kubeconfig", c.Kubeconfig)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin = time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	took := time.Since(begin)
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("the system does not say what the program used")
	}
	t.Logf("audit -A of %d Pods: %s, %s of processor time, %d MiB at most", size.pods, took.Round(time.Millisecond),
		(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(time.Millisecond), usage.Maxrss>>10)
	if took > 10*time.Second {
		t.Errorf("it took %s, want less than 10 s", took)
	}

	var got auditOutput
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Pods != size.pods {
		t.Errorf("%d Pods were looked at, want %d", got.Pods, size.pods)
	}
	// On a busy machine it takes more than a second, and says how far it is.
	for line := range strings.Lines(stderr.String()) {
		if !strings.HasSuffix(line, " Pods read\n") {
			t.Errorf("standard error: %s", line)
		}
	}
	var found []planted
	for _, w := range got.Workloads {
		if w.Kind != "Deployment" || w.Pods != podsOfDeployment || w.Replicas != podsOfDeployment {
			t.Errorf("%s %s/%s has %d Pods of %d, want a Deployment of %d", w.Kind, w.Namespace, w.Name, w.Pods, w.Replicas, podsOfDeployment)
		}
		if w.Result == "violating" || w.Result == "changed" {
			found = append(found, planted{w.Namespace, w.Name, w.Result})
		}
	}
	byName := func(a, b planted) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(found, byName)
	slices.SortFunc(want, byName)
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("offenders (-planted +found):\n%s", diff)
	}
	if len(want) < size.pods/podsOfDeployment/50 {
		t.Errorf("only %d offenders were planted", len(want))
	}
}
