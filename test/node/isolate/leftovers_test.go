//go:build linux

package isolate

import (
	"errors"
	"os"
	"slices"
	"testing"
)

func TestLeftovers_NamesWhatIsNew(t *testing.T) {
	before := stock{mounts: []string{"/", "/proc"}, interfaces: []string{"lo"}, folders: []string{"/run/netns"}, cgroups: []string{"/sys/fs/cgroup/kubepods"}}
	for name, c := range map[string]struct {
		now  stock
		want string
	}{
		"nothing, when all is as it was":   {now: before},
		"nothing, when something has gone": {now: stock{}},
		"a mount": {
			now:  stock{mounts: []string{"/", "/proc", "/run/shm"}},
			want: `the run has left the mount "/run/shm" behind; remove it with umount`,
		},
		"a network interface": {
			now:  stock{interfaces: []string{"cni0", "lo"}},
			want: `the run has left the network interface "cni0" behind; remove it with ip link delete`,
		},
		"a folder and a cgroup": {
			now: stock{folders: []string{"/run/netns", "/var/lib/kubelet"}, cgroups: []string{"/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/shmkeeper-node-1"}},
			want: `the run has left the folder "/var/lib/kubelet" behind; remove it with rm -r
the run has left the cgroup "/sys/fs/cgroup/shmkeeper-node-1" behind; remove it with rmdir`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := errors.Join(before.missing(c.now)...); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestLeftovers_MountsOfANode(t *testing.T) {
	for mount, want := range map[string]bool{
		"/run/shmkeeper":                     true,
		"/run/shmkeeper/node/kubelet/pods/a": true,
		"/var/lib/kubelet/pods/a/volumes/b":  true,
		"/run/netns/cni-1":                   true,
		"/":                                  false,
		"/run/user/1000":                     false,
		"/run/shmkeepers":                    false,
	} {
		if got := isOfNode(mount); got != want {
			t.Errorf("isOfNode(%q) is %t; want %t", mount, got, want)
		}
	}
}

func TestVisible_CoveredPaths(t *testing.T) {
	for path, want := range map[string]string{
		"/tmp":              "",
		"/var/logs":         "",
		"/run":              `TMPDIR is "/run", and the node has folders of its own at /run, /var/log, /var/lib; choose one elsewhere`,
		"/var/log/../lib/x": `TMPDIR is "/var/lib/x", and the node has folders of its own at /run, /var/log, /var/lib; choose one elsewhere`,
	} {
		got := ""
		if err := Visible("TMPDIR", path); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q; want %q", path, got, want)
		}
	}
}

func TestLeftovers_ProcessesByNamespace(t *testing.T) {
	var own namespaces
	for _, kind := range kinds {
		link, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		own = append(own, link)
	}
	found, err := processesIn(own)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(found, os.Getpid()) {
		t.Errorf("in the namespaces %q of process %d these were found: %d", own, os.Getpid(), found)
	}
	if found, err := processesIn(namespaces{"mnt:[1]"}); err != nil || len(found) > 0 {
		t.Errorf("in a namespace that is not there, found %d, %v", found, err)
	}
}

// A process without namespaces of its own must not be ended as if it had them.
func TestLeftovers_ProcessWithoutNamespaces(t *testing.T) {
	if of, err := namespacesOf(os.Getpid()); err == nil {
		t.Errorf("the namespaces of this process are %q; want an error", of)
	}
}
