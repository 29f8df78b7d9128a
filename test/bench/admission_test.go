package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

func TestJSONPatch(t *testing.T) {
	got, err := jsonPatch([]byte(`[{"op": "add", "path": "/spec/volumes/-", "value": {"name": "shm", "emptyDir": {"medium": "Memory"}}},
		{"op": "replace", "path": "/metadata/annotations", "value": {"a/b": "it's \"x\""}}, {"op": "add", "path": "/a", "value": [1, true]}]`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `[JSONPatch{op: "add", path: "/spec/volumes/-", value: {"emptyDir": dyn({"medium": "Memory"}), "name": dyn("shm")}}, ` +
		`JSONPatch{op: "replace", path: "/metadata/annotations", value: {"a/b": "it's \"x\""}}, JSONPatch{op: "add", path: "/a", value: [1, true]}]`
	if diff := cmp.Diff(want, got.JSONPatch.Expression); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestApplyConfiguration(t *testing.T) {
	before := policytest.NewPod("a", policytest.WithContainer("writer", "w", policytest.MemoryLimit("1Gi"), policytest.Mount("x", "/x")),
		policytest.WithContainer("other", "o"))
	after := policytest.With(before.DeepCopy(), policytest.WithMemoryVolume("shm", "256Mi"), func(pod *corev1.Pod) {
		pod.Annotations = map[string]string{"shmkeeper.dev/injected": "yes"}
		for i := range pod.Spec.Containers {
			policytest.Mount("shm", "/dev/shm")(&pod.Spec.Containers[i])
		}
		pod.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse("2Gi")
	})
	got, err := applyConfiguration(before, after)
	if err != nil {
		t.Fatal(err)
	}
	const mounts = `volumeMounts: [Object.spec.containers.volumeMounts{mountPath: "/dev/shm", name: "shm"}]`
	const want = `Object{metadata: Object.metadata{annotations: {"shmkeeper.dev/injected": "yes"}}, spec: Object.spec{` +
		`containers: [Object.spec.containers{name: "writer", resources: Object.spec.containers.resources{limits: {"memory": "2Gi"}}, ` + mounts + `}, ` +
		`Object.spec.containers{name: "other", ` + mounts + `}], ` +
		`volumes: [Object.spec.volumes{emptyDir: Object.spec.volumes.emptyDir{medium: "Memory", sizeLimit: "256Mi"}, name: "shm"}]}}`
	if diff := cmp.Diff(want, got.ApplyConfiguration.Expression); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The Pods have about the sizes that their names say, within what shmkeeper looks at.
func TestPods(t *testing.T) {
	for size, want := range sizes {
		for _, pod := range []*corev1.Pod{matchedPod(want), unmatchedPod(want)} {
			if got := len(encode(pod)); got < want || got > want+600 {
				t.Errorf("%s: %q has %d bytes", size, pod.GenerateName, got)
			}
		}
	}
	if got := len(podWithContainers(64).Spec.Containers); got != 64 {
		t.Errorf("%d containers, want 64", got)
	}
}

func TestParseStat(t *testing.T) {
	// The command may have parentheses and spaces in it. Times are the 14th and 15th of the fields.
	got, err := parseStat([]byte("42 (a) (b c) S 7 42 42 0 -1 4194560 1 2 3 4 150 25 9 9 20 0 8 0 1 2 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got.pid != 42 || got.parent != 7 || got.command != "a) (b c" || milliseconds(got.cpu) != 1750 {
		t.Errorf("got %+v", got)
	}
	for _, text := range []string{"", "42 (a", "42 (a) S 1", "x (a) S 7 42 42 0 -1 4194560 1 2 3 4 150 25"} {
		if got, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestProcess_Own(t *testing.T) {
	f, _ := testFloor(t)
	if pid, err := child("floor"); err != nil || pid != f.pid() {
		t.Errorf("the floor is found as process %d, %v, and not as %d", pid, err, f.pid())
	}
	if mib, err := residentMiB(os.Getpid()); err != nil || mib < 5 {
		t.Errorf("this process has %.1f MiB, %v", mib, err)
	}
	if _, err := cpuTime(os.Getpid()); err != nil {
		t.Error(err)
	}
}

func TestBusy(t *testing.T) {
	if share, err := busy(t.Context(), 50*time.Millisecond); err != nil || share < 0 || share > 1 {
		t.Errorf("a share of %.2f, %v", share, err)
	}
}

func TestParseGoBenchmarks(t *testing.T) {
	got := parseGoBenchmarks(`goos: linux
pkg: github.com/shmkeeper/shmkeeper/policy
BenchmarkEvaluate/matched-2         	   50000	      2318 ns/op	     912 B/op	      17 allocs/op
BenchmarkServerMemory-2             	       1	 100 ns/op	        41.5 MiB-idle
    bench_test.go:10: a log line
PASS
pkg: github.com/shmkeeper/shmkeeper/webhook
BenchmarkValidate/evaluation/compliant-2 	 1000	 500 ns/op	 0 B/op	 0 allocs/op
`)
	want := []GoBenchmark{
		{"policy", "Evaluate/matched", 2.318, 912, 17},
		{"policy", "ServerMemory", 0.1, 0, 0},
		{"webhook", "Validate/evaluation/compliant", 0.5, 0, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestOptions(t *testing.T) {
	for arg, want := range map[string]string{
		"-parts=go,disk": `-parts: "disk" is unknown: use any of go, path, load, growth, separated by commas`,
		"-parts=go":      "",
	} {
		var o options
		if err := o.parse([]string{arg}); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: got %v, want %q", arg, err, want)
		}
	}
	if err := new(options).parse([]string{"-parts=go", "-update"}); err == nil {
		t.Error("a page is written without most of its parts")
	}
}

// A page is made of any run, and of what was kept of it.
func TestRender(t *testing.T) {
	r := &Results{
		Processors: 2, GoVersion: "go1", Kubernetes: "v1", Busy: 0.02, Unit: shortestUnit, Soak: 600e9,
		Go:   []GoBenchmark{{"policy", "Evaluate", 2.5, 912, 17}},
		Path: map[string][]PathRow{small: testRows(1), large: testRows(10)},
		Servers: []LoadRow{
			{floorName, Spread{4000, 3900, 4100}, Load{Server: floorName, Rate: 2000, Memory: []Memory{{0, 10}, {1, 12}}}},
			{ours, Spread{3000, 2900, 3100}, Load{Server: ours, Rate: 1500, Errors: 1, Memory: []Memory{{0, 30}, {1, 32}, {2, 31}}}},
		},
		Growth: Growths{Size: []Growth{{2000, 6000, 0.3, 0.2, 0.15, 40}, {60000, 150000, 3, 2, 1.5, 41}}},
	}
	text, err := render(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| median latency, enforce / floor, 2kb | at most 1.15 | 1.20 | **missed** |",
		"| highest rate, shmkeeper / fixed patch | at least 0.65 | 0.75 | met |",
		"| errors at half of it | at most 0.00 | 1.00 | **missed** |",
		"| no webhook | 1.00 (1.00 to 1.00) |",
		"| shmkeeper | 1500 | 0 | 1 | 0.00 | 0.00 | 0.00 | 0.000 | 0.000 | 30.0 | 32.0 | 31.0 |",
		"| 2000 | 6000 | 0.300 | 0.200 | 0.150 | 2.00 | 40 |",
		"| policy | Evaluate | 2.50 | 912 | 17 |",
		"| 2 KB | 1.50 (1.50 to 1.50) | 1.50 (1.50 to 1.50) | 0.00 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "not to be quoted") {
		t.Error("a long run on a quiet machine is marked as if it was not")
	}
	r.Busy = 0.5
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var kept Results
	if err := json.Unmarshal(data, &kept); err != nil {
		t.Fatal(err)
	}
	again, err := render(&kept)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(again, "not to be quoted") {
		t.Error("a run on a busy machine is not marked")
	}
	drawn, err := kept.Growth.draw()
	if err != nil || !strings.Contains(string(drawn), "A Pod of 2\u00a0KB takes 0.30\u00a0ms, one of 60\u00a0KB 3.0\u00a0ms") {
		t.Errorf("the picture does not say what was measured: %v\n%s", err, drawn)
	}
}

// The picture of the page is drawn from the figures that are kept with it.
func TestDraw_PictureOfTheDocs(t *testing.T) {
	const docs = "../../docs/explanation/"
	data, err := os.ReadFile(docs + "performance.json")
	if err != nil {
		t.Fatal(err)
	}
	var g Growths
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	want, err := g.draw()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(docs+"performance.svg", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docs + "performance.svg")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/explanation/performance.svg is not what docs/explanation/performance.json has: write it with `UPDATE=1 go test ./test/bench -run PictureOfTheDocs` (-want +got):\n%s", diff)
	}
}
