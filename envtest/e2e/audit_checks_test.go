package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// checkStatus compares the counts of the policies with what was planted.
func (a *auditedCluster) checkStatus(t *testing.T, all *planted, status map[string]v1alpha1.SharedMemoryPolicyStatus) {
	t.Helper()
	type numbers struct {
		Matched, Violating, Outdated int32
		ByReason                     map[string]int32
	}
	n := func(sets ...map[string]bool) (sum int32) {
		for _, set := range sets {
			sum += int32(len(set))
		}
		return sum
	}
	want := map[string]numbers{
		"web": {
			n(all.noMount, all.tooSmall, all.compliant), n(all.noMount, all.tooSmall), n(all.noMount, all.tooSmall),
			map[string]int32{"NoMount": n(all.noMount), "TooSmall": n(all.tooSmall)},
		},
		"strict": {n(all.rejected), n(all.rejected), 0, map[string]int32{"NoMount": n(all.rejected)}},
	}
	got := map[string]numbers{}
	for name, s := range status {
		if s.MatchedPods == nil || s.ViolatingPods == nil || s.OutdatedPods == nil {
			t.Fatalf("policy %q has no counts: %+v", name, s)
		}
		byReason := map[string]int32{}
		for _, r := range s.ViolationsByReason {
			byReason[r.Reason] = r.Pods
		}
		got[name] = numbers{*s.MatchedPods, *s.ViolatingPods, *s.OutdatedPods, byReason}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// checkReports compares the Pods of the reports with what was planted.
func (a *auditedCluster) checkReports(t *testing.T, path string, all *planted) {
	t.Helper()
	got, namespaces := a.reported(t, path)
	writers := slices.Sorted(maps.Keys(all.writers))
	if diff := cmp.Diff(map[string][]string{"fail": all.failing(), "warn": writers}, got); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	with := map[string]bool{}
	for _, pod := range append(all.failing(), writers...) {
		namespace, _, _ := strings.Cut(pod, "/")
		with[namespace] = true
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(with)), namespaces); diff != "" {
		t.Errorf("namespaces with a report (-want +got):\n%s", diff)
	}
}

// checkTable fails if a column of kubectl get shmp is empty for a policy, those of the library included.
func (a *auditedCluster) checkTable(t *testing.T) {
	t.Helper()
	// Policies of each model, of which some sizes depend on the Pod.
	extra := []v1alpha1.SharedMemoryPolicy{policytest.Library(t, "hygiene"), policytest.Library(t, "vllm"), policytest.Library(t, "ray"), policytest.Library(t, "frigate")}
	for i := range extra {
		if err := client.IgnoreAlreadyExists(a.client.Create(t.Context(), &extra[i])); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error { return a.accepted(t.Context(), extra[i].Name) })
	}
	a.scanned(t)
	a.mustFillTable(t, 6)
	for i := range extra {
		if err := a.client.Delete(t.Context(), &extra[i]); err != nil {
			t.Fatal(err)
		}
	}
}

// mustFillTable fails if kubectl get shmp has an empty column, or another number of policies.
func (a *auditedCluster) mustFillTable(t *testing.T, policies int) {
	t.Helper()
	text, err := a.cp.Kubectl(t.Context(), "get", "shmp")
	if err != nil {
		t.Fatal(err)
	}
	columns := regexp.MustCompile(` {2,}`)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	header := columns.Split(strings.TrimSpace(lines[0]), -1)
	if len(lines) != policies+1 || len(header) != 8 {
		t.Errorf("kubectl get shmp has %d lines and %d columns:\n%s", len(lines), len(header), text)
	}
	for _, line := range lines[1:] {
		if cells := columns.Split(strings.TrimSpace(line), -1); len(cells) != len(header) {
			t.Errorf("kubectl get shmp has an empty cell:\n%s", text)
		}
	}
	t.Logf("kubectl get shmp:\n%s", text)
}

// checkEvents fails if an offender has no event, or another Pod has one.
func (a *auditedCluster) checkEvents(t *testing.T, all *planted) {
	t.Helper()
	eventually(t, func() error {
		list, err := a.kube.CoreV1().Events("").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=Pod"})
		if err != nil {
			return err
		}
		got := map[string]string{}
		for i := range list.Items {
			e := &list.Items[i]
			pod := e.InvolvedObject.Namespace + "/" + e.InvolvedObject.Name
			if got[pod] != "" {
				t.Fatalf("%s has two events: %s and %s", pod, got[pod], e.Reason)
			}
			got[pod] = e.Reason
		}
		want := map[string]string{}
		for _, pod := range all.failing() {
			want[pod] = "PodsViolatePolicy"
			if all.rejected[pod] {
				want[pod] = "PodsWouldBeRejected"
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("events (-want +got):\n%s", diff)
		}
		return nil
	})
}

// checkWarning sets the mode of a namespace to enforce, without keeping it.
func (a *auditedCluster) checkWarning(t *testing.T, all *planted) {
	t.Helper()
	byNamespace := map[string][]string{}
	for pod := range all.rejected {
		namespace, name, _ := strings.Cut(pod, "/")
		byNamespace[namespace] = append(byNamespace[namespace], name)
	}
	config := rest.CopyConfig(a.cp.Config)
	heard := &warnings{}
	config.WarningHandler = heard
	kube, _, err := clients(config)
	if err != nil {
		t.Fatal(err)
	}
	enforce := func(namespace string) []string {
		_, err := kube.CoreV1().Namespaces().Patch(t.Context(), namespace, types.MergePatchType,
			[]byte(`{"metadata":{"labels":{"shmkeeper.dev/mode":"enforce"}}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			t.Fatal(err)
		}
		return heard.take()
	}
	checked, without := 0, 0
	for i := range auditedNamespaces {
		namespace := fmt.Sprintf("shop-%03d", i)
		pods := byNamespace[namespace]
		if len(pods) == 0 && without >= 5 {
			continue // a few of these are enough
		}
		got := enforce(namespace)
		if len(pods) == 0 {
			without++
			if len(got) > 0 {
				t.Errorf("namespace %s: %q", namespace, got)
			}
			continue
		}
		checked++
		slices.Sort(pods)
		named := `"` + strings.Join(pods[:min(3, len(pods))], `", "`) + `"`
		plural := "s"
		if len(pods) == 1 {
			plural = ""
		}
		want := fmt.Sprintf("in mode enforce %d running Pod%s of namespace %q could not be created again, among them %s: ", len(pods), plural, namespace, named)
		if len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("namespace %s: %q, want %q", namespace, got, want)
		}
	}
	if err := a.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "unlabelled"}}); err != nil {
		t.Fatal(err)
	}
	want := `no scan has looked at the running Pods of namespace "unlabelled", which had no mode: ` +
		`kubectl shm audit -n unlabelled says which could not be created again in mode enforce`
	if got := enforce("unlabelled"); len(got) != 1 || got[0] != want {
		t.Errorf("a namespace that had no mode: %q, want %q", got, want)
	}
	if checked < 20 {
		t.Errorf("only %d namespaces with Pods that could not be created again", checked)
	}
}

// checkCost measures scans that follow one another, and what they would take at an interval of 5 minutes.
func (a *auditedCluster) checkCost(t *testing.T, pid int, idleMiB float64) {
	t.Helper()
	const scans = 5
	begun, before := time.Now(), cpuSeconds(t, pid)
	seen, peak := map[string]bool{}, 0.0
	if err := poll(t.Context(), 5*time.Minute, func() error {
		peak = max(peak, statusMiB(t, pid, "VmRSS"))
		var p v1alpha1.SharedMemoryPolicy
		if err := a.client.Get(t.Context(), client.ObjectKey{Name: "web"}, &p); err != nil {
			return err
		}
		if seen[p.Status.LastScanTime.String()] = true; len(seen) <= scans {
			return errors.New("there were too few scans")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	used := (cpuSeconds(t, pid) - before) / scans
	share := used / (5 * time.Minute).Seconds()
	t.Logf("the audit of %d Pods: %.1f MiB idle, %.1f MiB above that at most, %.2f s of a core for a scan: %.2f %% of a core at an interval of 5 minutes (%d scans in %s)",
		auditedNamespaces*podsOfEach, idleMiB, peak-idleMiB, used, 100*share, scans, time.Since(begun).Round(time.Second))
	if peak-idleMiB > 60 {
		t.Errorf("the audit takes %.1f MiB above the %.1f MiB of an idle server, want at most 60", peak-idleMiB, idleMiB)
	}
	if share > 0.05 {
		t.Errorf("the audit takes %.1f %% of a core, want at most 5", 100*share)
	}
}

// cpuSeconds returns the processor time that a process has used.
func cpuSeconds(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := 0.0
	for _, field := range fields[11:13] { // utime and stime, proc(5)
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return ticks / 100 // the kernel's USER_HZ
}
