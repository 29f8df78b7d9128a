package size

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

func TestSize_Outputs(t *testing.T) {
	for name, args := range map[string][]string{
		"week":        clitest.Incident("--retention", "168h"),
		"day":         clitest.Incident("--retention", "24h"),
		"saturated":   clitest.Incident("--retention", "168h", "--max", "256Mi"),
		"unbounded":   clitest.Incident(),
		"clamped":     clitest.Incident("--retention", "168h", "--memory-limit", "256Mi"),
		"batches":     {"--files-per-minute", "0.3", "--file-size", "300Ki", "--batch", "7", "--retention", "90m", "--page-size", "64Ki"},
		"overflowing": clitest.Incident("--retention", "168h", "--max", "712Mi"),
		"fixed":       {"--policy", "authentik-server"},
		"percent":     {"--policy", "ray", "--memory-limit", "8Gi"},
	} {
		t.Run(name, func(t *testing.T) {
			out := map[string][]byte{}
			for _, format := range []string{"table", "json", "yaml"} {
				got := shm("", append([]string{"size", "-o", format}, args...)...)
				if got.Code != cli.ExitOK || got.ErrOut != "" {
					t.Fatalf("-o %s: exit status %d, %s", format, got.Code, got.ErrOut)
				}
				out[format] = []byte(got.Out)
			}
			clitest.Golden(t, name+".txt", out["table"])
			clitest.Golden(t, name+".json", out["json"])
			if fromYAML, err := yaml.YAMLToJSON(out["yaml"]); err != nil || !sameJSON(t, fromYAML, out["json"]) {
				t.Errorf("the YAML says something else than the JSON, %v:\n%s", err, out["yaml"])
			}
			if name == "week" { // one shows the style
				clitest.Golden(t, name+".yaml", out["yaml"])
			}
		})
	}
}

// The library's policy for the outposts has the numbers of the flags above.
func TestSize_PolicyAndFlagsAgree(t *testing.T) {
	flags := shm("", append([]string{"size", "-o", "json"}, clitest.Incident("--retention", "168h")...)...)
	named := shm("", "size", "-o", "json", "-p", "authentik-proxy-outposts")
	if diff := cmp.Diff(flags, named); diff != "" {
		t.Errorf("by flags and by policy (-flags +policy):\n%s", diff)
	}
}

func TestSize_HasTheDocumentedFields(t *testing.T) {
	want := []string{
		"meanFiles", "peakFiles", "bytesPerFile", "requiredBytes", "sizeLimit", "sizeLimitBytes", "capacityFiles", "kernelBytesPerFile",
		"kernelMemoryBytes", "memoryCostBytes", "averageUseBytes", "effectiveBytes", "bounded", "saturated", "fullAfterSeconds", "findings",
	}
	help := shm("", "size", "--help").Out
	for sentence, args := range map[string][]string{
		"a files model":              clitest.Incident("--retention", "168h"),
		"files that are not deleted": clitest.Incident(),
		"a fixed size":               {"-p", "authentik-server"},
	} {
		t.Run(sentence, func(t *testing.T) {
			text := shm("", append([]string{"size", "-o", "json"}, args...)...).Out
			if diff := cmp.Diff(want, keysInOrder(t, text)); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
	for _, field := range want {
		if !strings.Contains(help, field) {
			t.Errorf("--help does not explain %s", field)
		}
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(x, y)
}

// keysInOrder returns the keys of the outermost object.
func keysInOrder(t *testing.T, text string) []string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		name, ok := key.(string)
		if !ok {
			t.Fatalf("%v is not a key", key)
		}
		keys = append(keys, name)
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func TestSize_MeetsTheIncident(t *testing.T) {
	type numbers struct {
		MeanFiles, PeakFiles, BytesPerFile, FullAfterSeconds *int64
		SizeLimit                                            string
		Bounded, Saturated                                   bool
	}
	number := func(n int64) *int64 { return &n }
	for sentence, c := range map[string]struct {
		args []string
		want numbers
	}{
		"a week":                 {clitest.Incident("--retention", "168h"), numbers{number(181530), number(183559), number(4096), nil, "897Mi", true, false}},
		"a day":                  {clitest.Incident("--retention", "24h"), numbers{number(26010), number(26780), number(4096), nil, "131Mi", true, false}},
		"a week in 256Mi":        {clitest.Incident("--retention", "168h", "--max", "256Mi"), numbers{number(181530), number(183559), number(4096), number(218453), "256Mi", true, true}},
		"files are not deleted":  {clitest.Incident(), numbers{nil, nil, number(4096), number(3495253), "4Gi", false, false}},
		"only the peaks overrun": {clitest.Incident("--retention", "168h", "--max", "712Mi"), numbers{number(181530), number(183559), number(4096), nil, "712Mi", true, true}},
	} {
		t.Run(sentence, func(t *testing.T) {
			var got numbers
			if err := json.Unmarshal([]byte(shm("", append([]string{"size", "-o", "json"}, c.args...)...).Out), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("numbers (-want +got):\n%s", diff)
			}
		})
	}
}

// The parts that the table names add up to what the engine counts. The figures are those that were
// measured on real kernels.
func TestSize_KernelMemoryOfAFile(t *testing.T) {
	for _, c := range []struct {
		args  string
		total sizing.Bytes
		want  string
	}{
		{"--file-size 4096", 1112 + 104, "1,112 B inode, directory entry and SELinux label (the most on Linux 5.10 to 7.3) + 104 B for a name of unknown length"},
		{"--file-size 4096 --name-length 20", 1112, "1,112 B inode, directory entry and SELinux label (the most on Linux 5.10 to 7.3)"},
		{"--file-size 4096 --name-length 60", 1112 + 104, "1,112 B inode, directory entry and SELinux label (the most on Linux 5.10 to 7.3) + 104 B for a name of 60 B"},
		{"--file-size 4096 --name-length 255", 1112 + 520, "1,112 B inode, directory entry and SELinux label (the most on Linux 5.10 to 7.3) + 520 B for a name of 255 B"},
		{"--file-size 4096 --name-length 20 --kernel-bytes-per-file 904", 904, "904 B inode, directory entry and label, as given"},
		{"--file-size 4097", 1112 + 104 + 592, "1,112 B inode, directory entry and SELinux label (the most on Linux 5.10 to 7.3) + 104 B for a name of unknown length + 592 B x 1 (nodes that find its pages)"},
		{"--file-size 1Mi --name-length 9", 1112 + 5*592, "1,112 B inode, directory entry and SELinux label (the most on Linux 5.10 to 7.3) + 592 B x 5 (nodes that find its pages)"},
	} {
		t.Run(c.args, func(t *testing.T) {
			args := append([]string{"size", "--files-per-minute", "1", "--retention", "1h"}, strings.Fields(c.args)...)
			var got struct{ KernelBytesPerFile sizing.Bytes }
			if err := json.Unmarshal([]byte(shm("", append(args, "-o", "json")...).Out), &got); err != nil {
				t.Fatal(err)
			}
			if got.KernelBytesPerFile != c.total {
				t.Errorf("%d B, want %d B", got.KernelBytesPerFile, c.total)
			}
			if table := shm("", args...).Out; !strings.Contains(table, " B      "+c.want+"\n") {
				t.Errorf("the table lacks %q:\n%s", c.want, table)
			}
		})
	}
}

func TestSize_InvalidFlags(t *testing.T) {
	const one = `apiVersion: shmkeeper.dev/v1alpha1
kind: SharedMemoryPolicy
metadata: {name: one}
spec:
  match: [{tmpfsPaths: Detect}]
  sizing: {fixed: {size: 1Gi}}
`
	clitest.InDir(t, "two.yaml", one+"---\n"+strings.Replace(one, "one", "two", 1), "wrong.yaml", strings.Replace(one, "1Gi", "-1Gi", 1))
	for sentence, c := range map[string]struct {
		args []string
		want string
	}{
		"no flags at all": {nil, "there is nothing to compute with: give --files-per-minute and --file-size, --workers and --batch-bytes, --work-mem, or --policy"},
		"the required flags are missing": {[]string{"--retention", "5h"}, `--files-per-minute: is missing: give it, such as --files-per-minute 18
--file-size: is missing: give it, such as --file-size 1500`},
		"all flags are wrong": {
			[]string{
				"--files-per-minute", "-3", "--retention", "-5h", "--sweep-interval", "5 minutes", "--file-size", "0", "--batch", "0", "--overflow-probability", "1", "--headroom", "1001",
				"--min", "3k", "--max", "3Pi", "--page-size", "5Ki", "--name-length", "256", "--kernel-bytes-per-file", "255",
			},
			`--max: "3Pi" must be a whole number of MiB from 1Mi to 1Pi, such as 64Mi
--min: "3k" must be a whole number of MiB from 1Mi to 1Pi, such as 64Mi
--headroom: "1001" must be from 0 to 1000
--kernel-bytes-per-file: "255" must be from 256 to 65536
--page-size: "5Ki" must be 4Ki, 16Ki or 64Ki
--files-per-minute: "-3" must be a positive decimal number of files a minute, such as "18" or "0.5"
--batch: "0" must be from 1 to 1000000
--retention: "-5h" must be a positive duration in h, m, s or ms, such as 168h: a day is 24h
--sweep-interval: "5 minutes" must be a duration in h, m, s or ms, such as 5m: a day is 24h
--file-size: "0" must be greater than 0 and at most 1Pi, such as 1500 or 16Ki
--name-length: "256" must be from 1 to 255
--overflow-probability: "1" must be a probability from 1e-12 to 0.1, such as "1e-6"`,
		},
		"invalid numbers": {
			[]string{"--files-per-minute", "NaN", "--file-size", "many", "--batch", "1e3", "--headroom", "25%"},
			`--file-size: "many" is not a quantity: write a quantity such as 512Mi
--batch: "1e3" is not a whole number within the range: write one such as 20
--headroom: "25%" is not a whole number within the range: write one such as 20
--files-per-minute: "NaN" must be a positive decimal number of files a minute, such as "18" or "0.5"`,
		},
		"a quantity beyond all bounds":       {clitest.Incident("--max", "1e400"), `--max: "1e400" is beyond what Kubernetes can count: write a quantity such as 512Mi`},
		"a negative quantity":                {clitest.Incident("--min", "-64Mi"), `--min: "-64Mi" is negative: write a quantity such as 512Mi`},
		"a text that is far too long":        {clitest.Incident("--retention", strings.Repeat("9", 80)+"h"), `--retention: "` + strings.Repeat("9", 64) + `"... may not be more than 20 characters: write it shorter`},
		"an empty value":                     {clitest.Incident("--overflow-probability", ""), `--overflow-probability: "" is empty: write a value, or leave the flag out`},
		"more at least than at most":         {clitest.Incident("--min", "8Gi"), `--min: "8Gi" must not be greater than --max, which is "4Gi": lower --min or raise --max`},
		"a memory limit of nothing":          {clitest.Incident("--memory-limit", "0"), `--memory-limit: "0" is not a limit: write one such as 512Mi, or leave the flag out`},
		"a negative memory limit":            {clitest.Incident("--memory-limit", "-1"), `--memory-limit: "-1" is negative: write a quantity such as 512Mi`},
		"an unknown format":                  {clitest.Incident("-o", "xml"), `invalid argument "xml" for "-o, --output" flag: write table, json, yaml, svg or png: see kubectl shm size --help`},
		"an argument":                        {clitest.Incident("deploy.yaml"), `"deploy.yaml": kubectl shm size takes no arguments: remove it`},
		"a flag that there is not":           {clitest.Incident("--retentoin", "5h"), `unknown flag: --retentoin: did you mean --retention? If not, see kubectl shm size --help`},
		"a policy and flags":                 {[]string{"-p", "ray", "--min", "1Gi", "--retention", "1h"}, `--policy: "ray" cannot be combined with --retention, --min, which the policy says itself: leave one of them out`},
		"a policy that is not there":         {[]string{"-p", "nope.yaml"}, `nope.yaml: there is no such file or directory: check the path`},
		"several policies":                   {[]string{"-p", "two.yaml"}, `--policy: "two.yaml" holds 2 policies, "one", "two": name a file that holds one`},
		"several policies on standard input": {[]string{"-p", "-"}, `--policy: "stdin" holds 2 policies, "one", "two": name a file that holds one`},
		"a policy that is wrong":             {[]string{"-p", "wrong.yaml"}, `wrong.yaml:6: spec.sizing.fixed.size: Invalid value: "-1Gi": must be greater than 0 and at most 1Pi, such as 1Gi`},
		"a policy that asks for the limit":   {[]string{"-p", "ray"}, `--memory-limit: is missing, and policy "ray" takes 40% of it: give it, such as --memory-limit 2Gi`},
		"a policy that only checks":          {[]string{"-p", "hygiene"}, `--policy: "hygiene" has no sizing and only checks what is mounted: name a policy with sizing`},
		"a policy that asks for a Pod": {
			[]string{"-p", "frigate", "--memory-limit", "1Gi"},
			`--count: is missing, and policy "frigate" counts the annotation "frigate/cameras" of a Pod: give it, such as --count 4, or give the Pod to kubectl shm review`,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := shm(one+"---\n"+strings.Replace(one, "one", "two", 1), append([]string{"size"}, c.args...)...)
			if diff := cmp.Diff(clitest.Result{Code: cli.ExitUsage, ErrOut: "error: " + c.want + "\n"}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
