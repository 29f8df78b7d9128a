package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The size of the cluster that is audited.
const (
	auditedNamespaces = 200
	podsOfEach        = 25
)

// planted are Pods that an audit has to find, as NAMESPACE/NAME, by what is wrong with them.
type planted struct {
	noMount, tooSmall, rejected, writers, compliant map[string]bool
}

// failing returns those that violate a policy.
func (p *planted) failing() []string {
	all := map[string]bool{}
	for _, set := range []map[string]bool{p.noMount, p.tooSmall, p.rejected} {
		maps.Copy(all, set)
	}
	return slices.Sorted(maps.Keys(all))
}

// plant creates the namespaces and their Pods, with offenders here and there, always the same.
func plant(t *testing.T, c client.Client) planted {
	t.Helper()
	random := rand.New(rand.NewPCG(12, 1))
	p := planted{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	var pods []*corev1.Pod
	for i := range auditedNamespaces {
		for j := range podsOfEach {
			pods = append(pods, p.pod(random.IntN(100), fmt.Sprintf("shop-%03d", i), fmt.Sprintf("pod-%02d", j)))
		}
	}
	begun := time.Now()
	inParallel(t, auditedNamespaces, func(i int) error {
		return c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("shop-%03d", i), Labels: map[string]string{v1alpha1.LabelMode: "audit"},
		}})
	})
	inParallel(t, len(pods), func(i int) error { return c.Create(t.Context(), pods[i]) })
	t.Logf("%d Pods in %d namespaces created in %s", len(pods), auditedNamespaces, time.Since(begun).Round(time.Second))
	return p
}

// pod returns a Pod, of a kind that depends on a number below 100, and remembers it.
func (p *planted) pod(kind int, namespace, name string) *corev1.Pod {
	app := "other"
	image := "registry.example.org/app:1"
	var options []policytest.ContainerOption
	volume, remember := "", map[string]bool(nil)
	switch {
	case kind < 1:
		app, remember = "web", p.noMount
	case kind < 2:
		app, volume, remember = "web", "100Mi", p.tooSmall
	case kind < 3:
		app, remember = "strict", p.rejected
	case kind < 4:
		image, remember = "ghcr.io/goauthentik/proxy:2026.2", p.writers
	case kind < 50:
		app, volume, remember = "web", "256Mi", p.compliant
	}
	if remember != nil {
		remember[namespace+"/"+name] = true
	}
	if volume != "" {
		options = append(options, policytest.Mount("shm", "/dev/shm"))
	}
	pod := policytest.NewPod(name, policytest.Namespace(namespace), policytest.Labels(map[string]string{"app": app}),
		policytest.WithContainer("c", image, append(options, policytest.MemoryLimit("1Gi"))...),
		policytest.WithContainer("log", "registry.example.org/log:1", policytest.MemoryLimit("64Mi")))
	if volume != "" {
		policytest.With(pod, policytest.WithMemoryVolume("shm", volume))
	}
	return pod
}

// auditedCluster is a control plane of its own, with a server that audits it.
type auditedCluster struct {
	*suite
	rest rest.Interface
}

func newAuditedCluster(t *testing.T) *auditedCluster {
	t.Helper()
	s := ownSuite(t, envtest.Options{WithoutControllerManager: true, AuditPolicy: envtest.AuditNone})
	return &auditedCluster{suite: s, rest: s.kube.CoreV1().RESTClient()}
}

// apply applies a manifest by kubectl.
func (a *auditedCluster) apply(t *testing.T, args ...string) {
	t.Helper()
	eventually(t, func() error {
		_, err := a.cp.Kubectl(t.Context(), append([]string{"apply"}, args...)...)
		return err
	})
}

// start starts a server and has it called.
func (a *auditedCluster) start(t *testing.T, name string, args ...string) *install.Replica {
	t.Helper()
	replica, err := install.StartReplica(t.Context(), a.cp, a.program, a.dir, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replica.Kill() })
	install.ServeReplicas(a.cp, replica)
	if err := a.waitTrusted(t.Context()); err != nil {
		t.Fatal(err)
	}
	return replica
}

// scanned waits for a scan that began after now, and returns the status of the policies.
func (a *auditedCluster) scanned(t *testing.T) map[string]v1alpha1.SharedMemoryPolicyStatus {
	t.Helper()
	after := time.Now().Add(time.Second).Truncate(time.Second) // the status has whole seconds
	var out map[string]v1alpha1.SharedMemoryPolicyStatus
	eventually(t, func() error {
		var list v1alpha1.SharedMemoryPolicyList
		if err := a.client.List(t.Context(), &list); err != nil {
			return err
		}
		out = map[string]v1alpha1.SharedMemoryPolicyStatus{}
		for i := range list.Items {
			status := list.Items[i].Status
			if status.LastScanTime == nil || status.LastScanTime.Time.Before(after) {
				return fmt.Errorf("policy %q was not scanned after %s: %v", list.Items[i].Name, after, status.LastScanTime)
			}
			out[list.Items[i].Name] = status
		}
		return nil
	})
	return out
}

// reported returns the Pods of all reports, by their result.
func (a *auditedCluster) reported(t *testing.T, path string) (byResult map[string][]string, namespaces []string) {
	t.Helper()
	body, err := a.rest.Get().AbsPath(path).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Items []struct {
			Metadata metav1.ObjectMeta `json:"metadata"`
			Results  []struct {
				Result    string                   `json:"result"`
				Policy    string                   `json:"policy"`
				Resources []corev1.ObjectReference `json:"resources"`
			} `json:"results"`
		} `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	byResult = map[string][]string{}
	for _, item := range list.Items {
		namespaces = append(namespaces, item.Metadata.Namespace)
		for _, r := range item.Results {
			pod := r.Resources[0]
			byResult[r.Result] = append(byResult[r.Result], pod.Namespace+"/"+pod.Name)
		}
	}
	for _, pods := range byResult {
		slices.Sort(pods)
	}
	slices.Sort(namespaces)
	return byResult, namespaces
}

const (
	openReportsPath   = "/apis/openreports.io/v1alpha1/reports"
	policyReportsPath = "/apis/wgpolicyk8s.io/v1alpha2/policyreports"
)

// openReportsCRD returns the file with the CRD of OpenReports, from the module that has it.
func openReportsCRD(t *testing.T) string {
	t.Helper()
	const module, sum = "github.com/openreports/reports-api@v0.2.1", "h1:g9KS3yle9Y1elmww4TK9EkD1rl6inIaiIJPX6e+u680="
	download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	download.Dir = t.TempDir()
	text, err := download.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var got struct{ Dir, Sum string }
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Sum != sum {
		t.Fatalf("%s has the sum %s, want %s", module, got.Sum, sum)
	}
	return filepath.Join(got.Dir, "config", "crd", "openreports.io_reports.yaml")
}

// policyReportCRD is the part of the older API that a server needs to store its objects.
const policyReportCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: policyreports.wgpolicyk8s.io
  annotations: {api-approved.kubernetes.io: "unapproved, for a test"}
spec:
  group: wgpolicyk8s.io
  scope: Namespaced
  names: {kind: PolicyReport, listKind: PolicyReportList, plural: policyreports, singular: policyreport}
  versions:
  - name: v1alpha2
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// One server audits a cluster of 5,000 Pods in 200 namespaces: it finds exactly the offenders, and says so
// in the status of the policies, in reports, events and a warning. It stays within 60 MiB above what an idle one has, and
// under 5 % of a core at an interval of 5 minutes.
func TestAudit_FindsExactlyThePlantedOffenders(t *testing.T) {
	t.Parallel()
	a := newAuditedCluster(t)
	all := plant(t, a.client)
	a.apply(t, "-f", openReportsCRD(t))
	a.apply(t, "-k", mustRoot(t)+"/manifests/default")
	idle := a.start(t, "idle", "--audit-interval=0")
	a.policies(t,
		newPolicy("web", "{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 256Mi}}}"),
		newPolicy("strict", "{match: [{podSelector: {matchLabels: {app: strict}}}], sizing: {fixed: {size: 256Mi}}, mutation: Disabled}"))
	settle(t, idle.Pid())
	idleMiB := statusMiB(t, idle.Pid(), "VmRSS")
	if err := idle.Stop(); err != nil {
		t.Fatal(err)
	}

	replica := a.start(t, "audit", "--audit-interval=1s", "--log-level=debug")
	t.Cleanup(func() {
		if text, err := os.ReadFile(replica.Log); t.Failed() {
			t.Logf("the end of the server's log: %s %v", text[max(0, len(text)-8000):], err)
		}
	})
	a.checkStatus(t, &all, a.scanned(t))
	a.checkReports(t, openReportsPath, &all)
	a.checkTable(t)
	a.checkRights(t, map[string]string{
		"patch reports.openreports.io/shmkeeper":  "yes",
		"create reports.openreports.io/shmkeeper": "yes",
		"delete reports.openreports.io/another":   "no",
		"get reports.openreports.io/shmkeeper":    "no",
	})
	a.checkEvents(t, &all)
	a.checkWarning(t, &all)
	a.checkCost(t, replica.Pid(), idleMiB)

	// Half of the offenders go; the reports shrink, and those of namespaces without any vanish.
	gone := all.failing()
	for _, pod := range gone[:len(gone)/2] {
		namespace, name, _ := strings.Cut(pod, "/")
		if err := a.kube.CoreV1().Pods(namespace).Delete(t.Context(), name, *metav1.NewDeleteOptions(0)); err != nil {
			t.Fatal(err)
		}
		for _, set := range []map[string]bool{all.noMount, all.tooSmall, all.rejected} {
			delete(set, pod)
		}
	}
	a.checkStatus(t, &all, a.scanned(t))
	a.checkReports(t, openReportsPath, &all)

	a.checkReportAPIs(t, &all)
}

// checkReportAPIs takes OpenReports away and puts it back: reports are then written to the older API, and again to the newer one.
func (a *auditedCluster) checkReportAPIs(t *testing.T, all *planted) {
	t.Helper()
	if _, err := a.cp.Kubectl(t.Context(), "delete", "crd", "reports.openreports.io", "--wait=false"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "crd.yaml")
	if err := os.WriteFile(file, []byte(policyReportCRD), 0o600); err != nil {
		t.Fatal(err)
	}
	a.apply(t, "-f", file)
	eventually(t, func() error { return a.rest.Get().AbsPath(policyReportsPath).Do(t.Context()).Error() })
	a.scanned(t)
	a.checkReports(t, policyReportsPath, all)

	// When it comes back, it is taken again, and what was written to the other one goes.
	a.apply(t, "-f", openReportsCRD(t))
	eventually(t, func() error { return a.rest.Get().AbsPath(openReportsPath).Do(t.Context()).Error() })
	a.scanned(t)
	a.checkReports(t, openReportsPath, all)
	if _, left := a.reported(t, policyReportsPath); len(left) > 0 {
		t.Errorf("the older API still has reports of %q", left)
	}
}
