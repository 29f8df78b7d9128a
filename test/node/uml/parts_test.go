//go:build linux

package uml

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestModules_InOrderOfDependence(t *testing.T) {
	const dep = `kernel/fs/overlayfs/overlay.ko:
kernel/drivers/net/veth.ko:
kernel/net/802/stp.ko: kernel/net/llc/llc.ko
kernel/net/llc/llc.ko:
kernel/net/bridge/netfilter/nf_conntrack_bridge.ko: kernel/net/bridge/bridge.ko kernel/net/802/stp.ko kernel/net/llc/llc.ko
kernel/net/bridge/bridge.ko: kernel/net/802/stp.ko kernel/net/llc/llc.ko
`
	got, err := loadOrder(dep, []string{"stp", "bridge", "veth"})
	want := []string{"kernel/net/llc/llc.ko", "kernel/net/802/stp.ko", "kernel/net/bridge/bridge.ko", "kernel/drivers/net/veth.ko"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	_, err = loadOrder(dep, []string{"vet"})
	if want := "modules.dep has no line for vet.ko: the kernel is another one than Debian's; remove it, so that Debian's is downloaded"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCPUInfo_MoreRegisters(t *testing.T) {
	for cpuinfo, want := range map[string]bool{
		"processor\t: 0\nflags\t\t: fpu sse avx512f amx_bf16 amx_tile\n":       true,
		"processor\t: 0\nflags\t\t: fpu sse avx512f pku\n":                     false,
		"processor\t: 0\nmodel name\t: amx_tile\nflags\t\t: fpu amx_tile_no\n": false,
		"": false,
	} {
		if got := moreRegisters(cpuinfo); got != want {
			t.Errorf("%q: got %v, want %v", cpuinfo, got, want)
		}
	}
}

func TestCommandLine_OfTheKernel(t *testing.T) {
	g := Guest{Program: "/tmp/go-build1/incident.test", Scratch: "/tmp/guest", Memory: 6 << 30}
	got, err := g.arguments()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"mem=6144M", "rootfstype=hostfs", "rootflags=/", "ro", "con0=null,fd:1", "con1=null,fd:3", "con2=null,fd:4", "init=/tmp/go-build1/incident.test",
		"SHMKEEPER_UML_SCRATCH=/tmp/guest",
	} {
		if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+want+" ") {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	for what, g := range map[string]Guest{
		`Program: "/a b/x"`: {Program: "/a b/x", Scratch: "/tmp/guest"},
		`Scratch: "/a,b"`:   {Program: "/x", Scratch: "/a,b"},
		`Scratch: "guest"`:  {Program: "/x", Scratch: "guest"},
	} {
		_, err := g.arguments()
		want := what + " is not an absolute path without spaces, quotes and commas: choose another one, such as by TMPDIR or GOTMPDIR"
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestKernel_FoundWithItsModules(t *testing.T) {
	root := t.TempDir()
	if kernel, err := kernelIn(root); err == nil {
		t.Errorf("an empty folder has the kernel %+v", kernel)
	}
	put := func(path string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("usr/bin/linux.uml")
	if kernel, err := kernelIn(root); err == nil || !strings.Contains(err.Error(), "has 0 files usr/lib/uml/modules/*/modules.dep below") {
		t.Errorf("without modules: %+v, %v", kernel, err)
	}
	put("usr/lib/uml/modules/6.1.176/modules.dep")
	want := Kernel{Program: filepath.Join(root, "usr/bin/linux.uml"), Modules: filepath.Join(root, "usr/lib/uml/modules/6.1.176")}
	if kernel, err := kernelIn(root); err != nil || kernel != want {
		t.Errorf("got %+v, %v; want %+v", kernel, err, want)
	}
}

func TestResult_OfTheGuest(t *testing.T) {
	for name, test := range map[string]struct {
		files  map[string]string
		status int
		want   string
	}{
		"a status": {files: map[string]string{statusFile: "3"}, status: 3},
		"an error of the guest's first process": {
			files: map[string]string{errorFile: "the module veth.ko: exec format error"}, want: "in the guest: the module veth.ko: exec format error",
		},
		"nothing, because the kernel has panicked": {
			files: map[string]string{logFile: "one\nKernel panic - not syncing\n"}, want: "the last messages of its kernel:\none\nKernel panic - not syncing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := Guest{Scratch: t.TempDir()}
			for file, text := range test.files {
				if err := os.WriteFile(filepath.Join(g.Scratch, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			status, err := g.result(nil)
			switch {
			case test.want == "":
				if err != nil || status != test.status {
					t.Errorf("got %d, %v; want %d", status, err, test.status)
				}
			case err == nil || !strings.HasSuffix(err.Error(), test.want):
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestLastLines(t *testing.T) {
	for text, want := range map[string]string{"": "", "a\n": "a", "a\nb\nc\n": "b\nc"} {
		if got := lastLines(text, 2); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
