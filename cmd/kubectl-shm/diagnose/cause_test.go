package diagnose

import (
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// mounted returns a volume of a Pod that container web sees.
func mounted(name string, limit, size, used sizing.Bytes) volume {
	return volume{Volume: name, MountPath: "/dev/shm", SizeLimit: limit, Size: size, Used: used, mount: inspect.Mount{Volume: name, Path: "/dev/shm", Containers: []string{"web"}}}
}

func TestDiagnosis(t *testing.T) {
	const mib = sizing.MiB
	oomFirstVolume := mounted("shm", 256*mib, 256*mib, 150*mib)
	oomFirstVolume.MemoryLimit, oomFirstVolume.MemoryUsed, oomFirstVolume.ToFill = 256*mib, 200*mib, 130*mib
	filling := mounted("", 64*mib, 64*mib, 32*mib)
	filling.FullIn = new(int64(7200))
	unread := mounted("shm", 64*mib, 0, 0)
	unread.Error = "nobody could look"
	fullVolume := mounted("", 64*mib, 64*mib, 64*mib)
	fullVolume.FullSince = new(int64(7200))
	looping := []container{{Name: "web", Restarts: 3, LastEnd: "OOMKilled (exit code 137)", killed: oomKilled, memoryLimit: 256 * mib}}
	for name, c := range map[string]struct {
		r    report
		want reason
		text string
	}{
		"full, since two hours": {report{Volumes: []volume{filling, fullVolume}}, full, "/dev/shm (the container runtime's own) is full: 64Mi in use since about 2 h. "},
		"a loop that nobody can look into": {
			report{Volumes: []volume{mounted("shm", 512*mib, 0, 0)}, Containers: looping},
			oomLoop,
			`Container "web" was OOM-killed and restarted 3 times: what is in /dev/shm (volume shm) counts against its memory limit of 256Mi`,
		},
		"a loop of OOM kills that the runtime missed": {
			report{Volumes: []volume{mounted("shm", 512*mib, 0, 0)}, Containers: []container{{Name: "web", Restarts: 2, killed: sigkilled, memoryLimit: 256 * mib}}},
			oomLoop,
			`Container "web" was killed (exit code 137: an OOM kill that the runtime missed, or another SIGKILL) and restarted 2 times: `,
		},
		"OOM kills that its small volume does not explain": {report{Volumes: []volume{mounted("shm", 16*mib, 16*mib, mib)}, Containers: looping}, healthy, "Nothing is wrong"},
		"OOM kills beside the runtime's own":               {report{Volumes: []volume{mounted("", 64*mib, 64*mib, mib)}, Containers: looping}, healthy, "Nothing is wrong"},
		"the limit ends first":                             {report{Volumes: []volume{oomFirstVolume}}, oomFirst, "/dev/shm (volume shm) has 150Mi of 256Mi in use, and its container will be OOM-killed before it is full"},
		"it fills":                                         {report{Volumes: []volume{filling}}, fills, "/dev/shm (the container runtime's own) is at 50 %, and full in about 2 h"},
		"clamped":                                          {report{Volumes: []volume{mounted("shm", 512*mib, 256*mib, mib)}}, clamped, "/dev/shm (volume shm) has a sizeLimit of 512Mi and is mounted with 256Mi"},
		"nobody could look":                                {report{Volumes: []volume{unread}}, unreadable, "/dev/shm (volume shm) could not be looked into: nobody could look"},
		"no volume":                                        {report{}, healthy, "The Pod has no /dev/shm of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, text := c.r.diagnosis()
			if got != c.want || !strings.HasPrefix(text, c.text) {
				t.Errorf("got %q, %q; want %q, %q", got, text, c.want, c.text)
			}
		})
	}
}

func TestRemedies(t *testing.T) {
	deployment := live.Workload{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
	commands := func(list []remedy) string {
		var out []string
		for _, r := range list {
			out = append(out, r.Command)
		}
		return strings.Join(out, "\n")
	}
	for name, c := range map[string]struct {
		r            report
		v            volume
		w            live.Workload
		now, forGood string
	}{
		"the runtime's own, a policy of the library": {
			report{Reason: full, Policy: &fit{Name: "selenium"}},
			mounted("", 64, 64, 64), deployment,
			"kubectl rollout restart deployment/web -n shop",
			"kubectl shm policies selenium -o yaml | kubectl apply -f -\nkubectl label namespace shop shmkeeper.dev/mode=enforce --overwrite\nkubectl rollout restart deployment/web -n shop",
		},
		"a volume, no policy anywhere": {
			report{Reason: full},
			mounted("shm", 64, 64, 64),
			live.Workload{Kind: "Pod"},
			"kubectl shm resize web-0 -n shop\nkubectl delete pod web-0 -n shop",
			"kubectl shm recommend -n shop -o policies > policy.yaml; kubectl apply -f policy.yaml\nkubectl label namespace shop shmkeeper.dev/mode=enforce --overwrite\n",
		},
		"it has all that its policy gives": {
			report{Reason: fills, Policy: &fit{Name: "web", Installed: true, Outcome: policy.Compliant, Mode: v1alpha1.Enforce, NamespaceMode: v1alpha1.Enforce}},
			mounted("shm", 64, 64, 60), deployment,
			"kubectl shm resize web-0 -n shop\nkubectl rollout restart deployment/web -n shop",
			"kubectl shm recommend -n shop\nkubectl rollout restart deployment/web -n shop",
		},
		"nothing is wrong": {report{Reason: healthy}, mounted("shm", 64, 64, 1), deployment, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.r
			r.Namespace, r.Pod = "shop", "web-0"
			r.remedies(&c.v, c.w)
			if got := commands(r.Now); got != c.now {
				t.Errorf("now: got\n%s\nwant\n%s", got, c.now)
			}
			if got := commands(r.ForGood); got != c.forGood {
				t.Errorf("for good: got\n%s\nwant\n%s", got, c.forGood)
			}
		})
	}
}
