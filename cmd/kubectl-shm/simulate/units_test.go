package simulate

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/review"
)

func TestSimulate_Units(t *testing.T) {
	got := shm("", "simulate", "-p", "frigate", "--count", "4", "--size", "100Mi")
	// A camera takes 26.6 MiB, and 40 MiB are there for the logs.
	want := `policy frigate: so much for each of 4 units; how full each size is, by how much is in use at once

UNITS  NEED       default 64Mi  given 100Mi  computed 184Mi
1      66.6 MiB   full          66 %         36 %
2      93.3 MiB   full          93 %         50 %
3      119.9 MiB  full          full         65 %
4      146.5 MiB  full          full         79 %

default 64Mi: 82.5 MiB are missing; a write fails with ENOSPC, and a program that maps the file dies with SIGBUS
given 100Mi: 46.5 MiB are missing; a write fails with ENOSPC, and a program that maps the file dies with SIGBUS
computed 184Mi: holds all that is needed, 146.5 MiB
`
	if diff := cmp.Diff(clitest.Result{Out: want}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	csv := shm("", "simulate", "-p", "frigate", "--count", "2", "-o", "csv")
	want = "units,need_bytes,default 64Mi used_bytes,default 64Mi missing_bytes,computed 117Mi used_bytes,computed 117Mi missing_bytes\n" +
		"1,69861520,67108864,2752656,69861520,0\n2,97780000,67108864,30671136,97780000,0\n"
	if diff := cmp.Diff(clitest.Result{Out: want}, csv); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSimulate_OtherModels(t *testing.T) {
	for args, want := range map[string][]string{
		"-p selenium":                                 {"policy selenium: a fixed size of 2Gi; how full", "% OF NEED  NEED", "100        2,048.0 MiB  full          100 %"},
		"-p ray --memory-limit 8Gi":                   {"% of the container's memory limit; how full"},
		"--workers 8 --batch-bytes 38535168":          {"data loaders of 8 workers", "10         58.8 MiB   91 %"},
		"-p vllm --count 1000000 --size 1Gi":          {"25000 ", "1000000 "},
		"--work-mem 64Mi --count 3 --size 1Gi -o csv": {"units,need_bytes", "\n3,1207959552,"},
	} {
		got := shm("", append([]string{"simulate"}, strings.Fields(args)...)...)
		if got.Code != cli.ExitOK {
			t.Errorf("%s: got %+v", args, got)
		}
		clitest.InOrder(t, got.Out, want)
		if lines := strings.Count(got.Out, "\n"); lines > 60 {
			t.Errorf("%s: %d lines", args, lines)
		}
	}
	for args, want := range map[string]string{
		"-p selenium --days 3":    "--days: has no effect, as nothing says when what is written: leave it out, or name a policy with sizing.files",
		"-p ray":                  `--memory-limit: is missing, and policy "ray" takes`,
		"-p frigate":              `--count: is missing, and policy "frigate" counts the annotation "frigate/cameras" of a Pod`,
		"-p selenium --size 0":    `--size: "0" holds nothing: write a size such as 512Mi`,
		"-p ray --memory-limit 0": `--memory-limit: "0" is not a limit`,
	} {
		got := shm("", append([]string{"simulate"}, strings.Fields(args)...)...)
		if got.Code != cli.ExitUsage || !strings.HasPrefix(got.ErrOut, "error: "+want) {
			t.Errorf("%s: got %+v, want %s", args, got, want)
		}
	}
}

// What a picture says of a container's memory is what shmkeeper would make of it.
func TestSimulate_PayersAreThoseOfTheReview(t *testing.T) {
	for _, c := range []struct{ policy, image, limit string }{
		{"selenium", "selenium/node-chrome", "1Gi"}, {"selenium", "selenium/node-chrome", "10Mi"}, {"selenium", "selenium/node-chrome", "1000M"}, {"gitlab", "gitlab/gitlab-ce", "4Gi"},
	} {
		pod := strings.Replace(clitest.Pod, "selenium/node-chrome", c.image+"\n    resources: {limits: {memory: "+c.limit+"}}", 1)
		reviewed := clitest.Run(pod, []string{"review", "-p", c.policy, "-f", "-", "-o", "yaml"}, review.Command)
		found := regexp.MustCompile(`limits:\s*\{?\s*memory: ([0-9A-Za-z]+)`).FindStringSubmatch(reviewed.Out)
		if len(found) < 2 || found[1] == c.limit {
			t.Errorf("%v: the review raises nothing: %+v", c, reviewed)
			continue
		}
		drawn := shm("", "simulate", "-p", c.policy, "--memory-limit", c.limit, "-o", "svg")
		if want := ">memory limit " + found[1] + "<"; drawn.Code != cli.ExitOK || !strings.Contains(drawn.Out, want) {
			t.Errorf("%v: the picture does not say %q: %+v", c, want, drawn)
		}
	}
}

func TestSimulate_Payers(t *testing.T) {
	for args, want := range map[string][]string{
		"-p selenium":                              {">2Gi of /dev/shm take a memory limit of at least 2085Mi<", ">policy selenium: a fixed size of 2Gi<", ">the least limit<", ">reserve<", ">files<", ">kernel memory<"},
		"-p ray --memory-limit 8Gi":                {" of /dev/shm take a memory limit of at least ", ">required<", ">memory limit 8Gi<"},
		"-p frigate --count 4":                     {">184Mi of /dev/shm take a memory limit of at least "},
		"-p frigate --memory-limit 64Mi --count 4": {">before<", ">memory limit 64Mi, the runtime&#39;s 64Mi<", ">after<"},
	} {
		got := shm("", append([]string{"simulate", "-o", "svg"}, strings.Fields(args)...)...)
		if got.Code != cli.ExitOK {
			t.Errorf("%s: got %+v", args, got)
		}
		clitest.InOrder(t, strings.ReplaceAll(got.Out, "\u00a0", " "), want)
	}
}

// The pictures in the docs are what their commands draw.
func TestSimulate_PicturesOfTheDocs(t *testing.T) {
	for file, args := range map[string]string{
		"fill.svg":   "-p authentik-proxy-outposts --size 256Mi --size 512Mi",
		"memory.svg": "-p selenium --memory-limit 1Gi",
	} {
		got := shm("", append([]string{"simulate", "-o", "svg"}, strings.Fields(args)...)...)
		clitest.Golden(t, "../../../../docs/explanation/"+file, []byte(got.Out))
	}
}
