//go:build ignore

// Summaries writes what the kubelets of Kubernetes 1.30 to 1.37 answer on /stats/summary, one file
// for each: the types of k8s.io/kubelet of that version with every field filled in, in its own JSON.
// It is run by hand, in this folder: go run summaries.go
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// versions are those of k8s.io/kubelet.
var versions = []string{"0.30.14", "0.31.14", "0.32.13", "0.33.9", "0.34.5", "0.35.2", "0.36.2", "0.37.1"}

const program = `package main

import (
	"encoding/json"
	"os"
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

var at = metav1.NewTime(time.Date(2026, 4, 18, 12, 0, 0, 0, time.UTC))

// fill sets every field.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case metav1.Time:
		v.Set(reflect.ValueOf(at))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.String:
		v.SetString("text")
	case reflect.Uint64, reflect.Uint32, reflect.Uint:
		v.SetUint(1000)
	case reflect.Int64, reflect.Int32, reflect.Int:
		v.SetInt(1000)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Bool:
		v.SetBool(true)
	}
}

func p(n uint64) *uint64 { return &n }

func main() {
	var s stats.Summary
	fill(reflect.ValueOf(&s).Elem())
	s.Node.NodeName = "node-1"
	pod := &s.Pods[0]
	pod.PodRef = stats.PodReference{Name: "outpost-587598dc4b-x", Namespace: "apps", UID: "5f3a9c6d-0000-4000-8000-000000000001"}
	pod.Memory.WorkingSetBytes = p(300 << 20)
	pod.Containers[0].Name = "proxy"
	pod.Containers[0].Memory.WorkingSetBytes = p(290 << 20)
	claim := pod.VolumeStats[0]
	claim.Name = "data"
	shm := stats.VolumeStats{Name: "shmkeeper-shm", FsStats: stats.FsStats{
		Time: at, AvailableBytes: p(700 << 20), CapacityBytes: p(897 << 20), UsedBytes: p(197 << 20),
		InodesFree: p(1949567), Inodes: p(2000000), InodesUsed: p(50433),
	}}
	pod.VolumeStats = []stats.VolumeStats{claim, shm}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", " ")
	if err := e.Encode(s); err != nil {
		panic(err)
	}
}
`

func main() {
	for _, v := range versions {
		if err := write(v); err != nil {
			fmt.Fprintln(os.Stderr, v, err)
			os.Exit(1)
		}
	}
}

func write(version string) error {
	dir, err := os.MkdirTemp("", "summary-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	module := fmt.Sprintf("module summary\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/apimachinery v%s\n\tk8s.io/kubelet v%s\n)\n", version, version)
	for name, text := range map[string]string{"go.mod": module, "main.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	var out []byte
	for _, args := range [][]string{{"mod", "tidy"}, {"run", "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		if out, err = cmd.Output(); err != nil {
			return err
		}
	}
	minor := version[2 : 2+2]
	return os.WriteFile("summary-1."+minor+".json", out, 0o644)
}
