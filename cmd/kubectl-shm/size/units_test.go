package size

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

// Figures worked out by hand, or from what the policies of the library say of themselves.
func TestSize_EveryModel(t *testing.T) {
	const mib = 1 << 20
	for args, want := range map[string]struct {
		required int64
		limit    string
	}{
		// 8 x 2 x 64 images of 3 x 224 x 224 in 32 bits, and a quarter more.
		"--workers 8 --batch-bytes 38535168":                         {616562688, "735Mi"},
		"--workers 8 --prefetch 4 --batch-bytes 38535168 --count 2":  {4 * 616562688, "2940Mi"},
		"--workers 8 --batch-bytes 38535168 --headroom 0":            {616562688, "588Mi"},
		"--work-mem 64Mi --parallel-workers 4 --count 4":             {64 * 2 * 5 * 4 * mib, "3200Mi"},
		"--work-mem 4Mi --hash-mem-multiplier 1.5 --headroom 0":      {18 * mib, "64Mi"},
		"-p frigate --count 8":                                       {40*mib + 8*27918480, "317Mi"},
		"-p vllm --count 2":                                          {6 << 30, "6Gi"},
		"-p ray --memory-limit 8Gi":                                  {0, ""},
		"-p postgresql":                                              {256 * mib, "256Mi"},
		"--work-mem 1Gi --parallel-workers 8 --count 10 --max 200Gi": {180 << 30, "200Gi"},
	} {
		got := shm("", append([]string{"size", "-o", "json"}, strings.Fields(args)...)...)
		var out struct {
			RequiredBytes int64
			SizeLimit     string
		}
		if err := json.Unmarshal([]byte(got.Out), &out); err != nil || got.Code != cli.ExitOK {
			t.Errorf("%s: %+v", args, got)
			continue
		}
		if want.limit != "" && (out.RequiredBytes != want.required || out.SizeLimit != want.limit) {
			t.Errorf("%s: got %+v, want %+v", args, out, want)
		}
	}
}

func TestSize_UnitsAreExplained(t *testing.T) {
	for args, want := range map[string][]string{
		"--workers 8 --batch-bytes 38535168 --count 2": {
			"2 data loaders of 8 workers, each with 2 batches of 38,535,168 B ready\n", "2 x 8 workers x 2 batches x 38,535,168 B\n", "required size + 25%",
		},
		"--work-mem 64Mi --parallel-workers 4": {
			"parallel hash joins of 5 processes with a work_mem of 64Mi\n", "work_mem of 64Mi x 2 (hash_mem_multiplier) x 5 processes\n",
		},
		"-p frigate --count 8": {"policy frigate: so much for each of 8 units\n", "40Mi + 8 x 27918480\n"},
	} {
		got := shm("", append([]string{"size"}, strings.Fields(args)...)...)
		for _, part := range want {
			if !strings.Contains(got.Out, part) {
				t.Errorf("%s: no %q in\n%s%s", args, part, got.Out, got.ErrOut)
			}
		}
	}
}

func TestSize_BadUnits(t *testing.T) {
	for args, want := range map[string]string{
		"--workers 8":                                  "--batch-bytes: is missing: give it, such as --batch-bytes 38535168",
		"--batch-bytes 1Mi":                            "--workers: is missing: give it, such as --workers 8",
		"--workers 0 --batch-bytes 1Mi":                `--workers: "0" is not a whole number from 1 to 10000: write one such as 8`,
		"--workers 1.5 --batch-bytes 1Mi":              `--workers: "1.5" is not a whole number from 1 to 10000: write one such as 8`,
		"--workers NaN --batch-bytes 1Mi":              `--workers: "NaN" is not a whole number from 1 to 10000: write one such as 8`,
		"--workers 8 --batch-bytes 0":                  `--batch-bytes: "0" is nothing: write a size such as 38535168`,
		"--workers 8 --batch-bytes 1e400":              `--batch-bytes: "1e400" is beyond what Kubernetes can count: write a quantity such as 512Mi`,
		"--workers 10000 --batch-bytes 1Pi":            `--workers: "10000" is more than 1Pi in all: write less`,
		"--workers 8 --batch-bytes 1Mi --work-mem 1Mi": "--workers: describes another workload than --work-mem: leave one of them out",
		"--work-mem 1Mi --hash-mem-multiplier -1":      `--hash-mem-multiplier: "-1" is not a number above 0 and up to 10000: write one such as 2`,
		"--work-mem 1Mi --file-size 1":                 "--work-mem cannot be combined with --file-size, which describe another workload: leave one of them out",
		"--work-mem 1Mi --count 0":                     `--count: "0" is not a whole number from 1 to 1000000: write one such as 4`,
		"--count 4":                                    "--count: says how many of what a policy counts, or of what --workers or --work-mem describe: give one of them too",
		"-p ray --count 4 --memory-limit 1Gi":          `--count: policy "ray" counts nothing: leave it out`,
		"-p frigate --workers 4":                       `--policy: "frigate" cannot be combined with --workers, which the policy says itself: leave one of them out`,
		"-p frigate":                                   `--count: is missing, and policy "frigate" counts the annotation "frigate/cameras" of a Pod: give it, such as --count 4, or give the Pod to kubectl shm review`,
		"--work-mem 1Mi --min 2Gi --max 1Gi":           `--min: "2Gi" must not be greater than --max, which is "1Gi": lower --min or raise --max`,
	} {
		got := shm("", append([]string{"size"}, strings.Fields(args)...)...)
		first, _, _ := strings.Cut(got.ErrOut, "\n")
		if got.Code != cli.ExitUsage || got.Out != "" || first != "error: "+want {
			t.Errorf("%s: exit status %d, got\n%s\nwant\nerror: %s", args, got.Code, got.ErrOut, want)
		}
	}
}
