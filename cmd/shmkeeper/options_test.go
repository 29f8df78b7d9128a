package main

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// parsed are the options that the flags give.
func parsed(t *testing.T, args ...string) (*Options, *pflag.FlagSet) {
	t.Helper()
	flags := pflag.NewFlagSet("shmkeeper", pflag.ContinueOnError)
	var o Options
	o.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &o, flags
}

func TestOptions_Defaults(t *testing.T) {
	o, flags := parsed(t)
	if err := o.Validate(flags.Args()); err != nil {
		t.Error(err)
	}
}

func TestValidate_Accepts(t *testing.T) {
	for name, args := range map[string]string{
		"a folder with a certificate":         "--cert-source=directory --cert-dir=/certs",
		"the manifests' empty --cert-dir":     "--cert-source=self-managed --cert-dir=",
		"no metrics, probes or profiles":      "--metrics-bind-address=0 --health-probe-bind-address=0 --pprof-bind-address=0",
		"an IPv6 address":                     "--webhook-host=::1 --pprof-bind-address=[::1]:6060",
		"the smallest port and no delay":      "--webhook-port=1 --shutdown-delay=0s",
		"the largest port and longest delay":  "--webhook-port=65535 --shutdown-delay=1m",
		"a cluster-wide dry run, as text":     "--max-mode=audit --log-format=text --log-level=debug",
		"a server that is told to warn only":  "--max-mode=warn --log-level=warn",
		"one replica that keeps no webhooks":  "--leader-elect=false --restore-webhooks=false --log-level=error",
		"another name of the own namespace":   "--namespace=shm-0",
		"the file of a developer's cluster":   "--kubeconfig=config --webhook-host=127.0.0.1",
		"an address with the name of a host":  "--metrics-bind-address=localhost:8443",
		"mirrors, by commas and one by one":   "--image-mirrors=harbor.local/ghcr=ghcr.io,harbor.local/hub=docker.io --image-mirrors=mirror:5000/quay=quay.io",
		"volumes, measured by the kubelets":   "--usage --usage-interval=30s --usage-max-volumes=100 --usage-kubelet-insecure-tls",
		"volumes, measured by Prometheus":     "--usage --usage-prometheus-url=http://prometheus.monitoring:9090",
		"a CA and a leaf of a different life": "--ca-duration=720h --cert-duration=24h --ca-settle=10s --ca-resync=5s",
	} {
		t.Run(name, func(t *testing.T) {
			o, flags := parsed(t, strings.Fields(args)...)
			if err := o.Validate(flags.Args()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestValidate_NamesFlagAndRemedy(t *testing.T) {
	for name, c := range map[string]struct{ args, want string }{
		"a word that is not a flag":  {"enforce", `"enforce" is not a flag: see --help for the flags`},
		"an empty namespace":         {"--namespace=", `--namespace: "" is not the name of a namespace: write the one that the server runs in`},
		"a namespace with a capital": {"--namespace=Shm", `--namespace: "Shm" is not the name of a namespace: write the one that the server runs in`},
		"an unknown mode":            {"--max-mode=strict", `--max-mode: "strict" is not a mode: use audit, warn or enforce`},
		"a mode as policies have it": {"--max-mode=Enforce", `--max-mode: "Enforce" is not a mode: use audit, warn or enforce`},
		"an empty mode":              {"--max-mode=", `--max-mode: "" is not a mode: use audit, warn or enforce`},
		"a mirror of nothing": {
			"--image-mirrors=harbor.local/ghcr=ghcr.io,harbor.local/hub", `--image-mirrors: image mirror "harbor.local/hub": must be MIRROR=REPOSITORY, ` +
				`both beginning with a registry's host: write for example harbor.local/ghcr=ghcr.io`,
		},
		"a mirror that is given twice": {
			"--image-mirrors=harbor.local/ghcr=ghcr.io --image-mirrors=harbor.local/ghcr/=quay.io",
			`--image-mirrors: image mirror "harbor.local/ghcr/=quay.io": "harbor.local/ghcr" is given twice: remove one of them`,
		},
		"an unknown source": {"--cert-source=vault", `--cert-source: "vault" is unknown: write self-managed or directory`},
		"an unknown source says nothing of the folder": {
			"--cert-source=vault --cert-dir=/certs", `--cert-source: "vault" is unknown: write self-managed or directory`,
		},
		"a directory without a folder": {"--cert-source=directory", `--cert-dir: "" is empty: name the folder with tls.crt and tls.key`},
		"a folder that nobody reads": {
			"--cert-dir=/certs",
			`--cert-dir: "/certs" has no effect with --cert-source=self-managed: leave it out, or write --cert-source=directory`,
		},
		"a host by its name": {"--webhook-host=localhost", `--webhook-host: "localhost" is not an IP address: write one of this machine, or leave it out`},
		"port 0":             {"--webhook-port=0", `--webhook-port: "0" is not a port: write one from 1 to 65535`},
		"a negative port":    {"--webhook-port=-1", `--webhook-port: "-1" is not a port: write one from 1 to 65535`},
		"names without a CA": {
			"--client-names=a,b", `--client-names: "a,b" has no effect without --client-ca-file: name the CA that signs the API server's client certificate`,
		},
		"a CA that is not there":          {"--client-ca-file=/nowhere", `--client-ca-file: read the CA of clients: open /nowhere: no such file or directory`},
		"a port that is too large":        {"--webhook-port=65536", `--webhook-port: "65536" is not a port: write one from 1 to 65535`},
		"a port in place of probes":       {"--health-probe-bind-address=8081", `--health-probe-bind-address: "8081" is not an address: write one such as :8081 or 127.0.0.1:8081, or 0 for none`},
		"an empty metrics address":        {"--metrics-bind-address=", `--metrics-bind-address: "" is not an address: write one such as :8081 or 127.0.0.1:8081, or 0 for none`},
		"an IPv6 address, unbracketed":    {"--pprof-bind-address=::1:6060", `--pprof-bind-address: "::1:6060" is not an address: write one such as :8081 or 127.0.0.1:8081, or 0 for none`},
		"a certificate that is too short": {"--cert-duration=2m", `--cert-duration: "2m0s" leaves no time to replace a certificate when the Secret is read every 30s: write at least 3m0s, or a smaller positive --ca-resync`},
		"a CA that is too short":          {"--ca-duration=24h", `--ca-duration: "24h0m0s" leaves no time to change a CA before certificates of it outlive it: write at least 504h4m30s, or a smaller --cert-duration`},
		"a webhook that always fails open": {
			"--fail-open=enforce,mutate", `--fail-open: "mutate" is not a webhook that fails closed: write enforce or policies`,
		},
		"a namespace that cannot be": {
			"--excluded-namespaces=kube_system", `--excluded-namespaces: "kube_system" is not the name of a namespace: write names such as cert-manager, separated by commas`,
		},
		"an audit that never rests":         {"--audit-interval=1ms", `--audit-interval: "1ms" is too short: write a duration of at least 1s, or 0 for none`},
		"an audit of negative time":         {"--audit-interval=-1s", `--audit-interval: "-1s" is too short: write a duration of at least 1s, or 0 for none`},
		"no audit of more namespaces":       {"--audit-interval=0 --audit-unlabelled", `--audit-unlabelled: "true" has no effect with --audit-interval=0: write an interval, or leave it out`},
		"a negative delay":                  {"--shutdown-delay=-1s", `--shutdown-delay: "-1s" is out of range: write a duration from 0s to 1m`},
		"a delay that is too long":          {"--shutdown-delay=61s", `--shutdown-delay: "1m1s" is out of range: write a duration from 0s to 1m`},
		"volumes, too often":                {"--usage-interval=10ms", `--usage-interval: "10ms" is out of range: write a duration from 1s to 1h`},
		"volumes, too rarely":               {"--usage-interval=2h", `--usage-interval: "2h0m0s" is out of range: write a duration from 1s to 1h`},
		"no volumes":                        {"--usage-max-volumes=0", `--usage-max-volumes: "0" is out of range: write a number from 1 to 100000`},
		"a CA of kubelets that is not a CA": {"--usage-kubelet-ca-file=options_test.go", `--usage-kubelet-ca-file: "options_test.go" is not a file with certificates in PEM: name one with the CA that signs the kubelets' certificates`},
		"a CA of kubelets that is not looked at": {
			"--usage-kubelet-ca-file=ca.crt --usage-kubelet-insecure-tls", `--usage-kubelet-ca-file: "ca.crt" has no effect with --usage-kubelet-insecure-tls: leave one of the two out`,
		},
		"a Prometheus without a scheme": {
			"--usage-prometheus-url=prometheus:9090", `--usage-prometheus-url: "prometheus:9090" is not the URL of a Prometheus: write one such as http://prometheus.monitoring:9090`,
		},
		"a Prometheus beside kubelets": {
			"--usage-prometheus-url=http://prometheus:9090 --usage-kubelet-insecure-tls",
			`--usage-prometheus-url: "http://prometheus:9090" is asked in place of the kubelets, whose flags have no effect: leave them out`,
		},
		"an unknown format": {"--log-format=xml", `--log-format: "xml" is unknown: write json or text`},
		"an unknown level":  {"--log-level=trace", `--log-level: "trace" is unknown: write debug, info, warn or error`},
	} {
		t.Run(name, func(t *testing.T) {
			o, flags := parsed(t, strings.Fields(c.args)...)
			got := "no error"
			if err := o.Validate(flags.Args()); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestValidate_AllMistakesSorted(t *testing.T) {
	want := strings.Join([]string{
		`"now" is not a flag: see --help for the flags`,
		`--cert-dir: "" is empty: name the folder with tls.crt and tls.key`,
		`--health-probe-bind-address: "b" is not an address: write one such as :8081 or 127.0.0.1:8081, or 0 for none`,
		`--log-format: "xml" is unknown: write json or text`,
		`--log-level: "trace" is unknown: write debug, info, warn or error`,
		`--max-mode: "strict" is not a mode: use audit, warn or enforce`,
		`--metrics-bind-address: "a" is not an address: write one such as :8081 or 127.0.0.1:8081, or 0 for none`,
		`--namespace: "a/b" is not the name of a namespace: write the one that the server runs in`,
		`--pprof-bind-address: "c" is not an address: write one such as :8081 or 127.0.0.1:8081, or 0 for none`,
		`--shutdown-delay: "1h0m0s" is out of range: write a duration from 0s to 1m`,
		`--webhook-host: "here" is not an IP address: write one of this machine, or leave it out`,
		`--webhook-port: "0" is not a port: write one from 1 to 65535`,
	}, "\n")
	o, flags := parsed(t, "now", "--namespace=a/b", "--max-mode=strict", "--cert-source=directory", "--webhook-host=here", "--webhook-port=0",
		"--metrics-bind-address=a", "--health-probe-bind-address=b", "--pprof-bind-address=c", "--shutdown-delay=1h", "--log-format=xml", "--log-level=trace")
	for range 10 { // the addresses come out of a map
		err := o.Validate(flags.Args())
		if err == nil {
			t.Fatal("no mistake is told")
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	}
}

// The page's rows are what --help says: docs/docs_test.go sees that there is one for each flag.
func TestOptions_DocumentedDefaults(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/server.md")
	if err != nil {
		t.Fatal(err)
	}
	_, flags := parsed(t)
	flags.VisitAll(func(f *pflag.Flag) {
		_, row, found := strings.Cut(string(page), "\n| `--"+f.Name+"` | ")
		cell, _, _ := strings.Cut(row, "|")
		value := strings.Trim(strings.TrimSpace(cell), "`")
		if f.Value.Type() == "duration" {
			if d, err := time.ParseDuration(value); err == nil {
				value = d.String()
			}
		}
		want := f.DefValue
		if f.Value.Type() == "stringSlice" {
			want = strings.Trim(want, "[]")
		}
		if !found || value != want {
			t.Errorf("docs/reference/server.md gives --%s the default %q, not %q: fix its row", f.Name, value, want)
		}
	})
}

// What somebody sees who starts the program by hand.
func TestMain_ExitStatus(t *testing.T) {
	for name, c := range map[string]struct {
		args   string
		status int
		want   string
	}{
		"the version is not a mistake": {"--version", 0, ""},
		"a flag that does not exist": {
			"--mode=audit", 2, "error: unknown flag: --mode: see --help for the flags\n",
		},
		"a value that is not a duration": {
			"--ca-settle=1d", 2,
			"error: invalid argument \"1d\" for \"--ca-settle\" flag: time: unknown unit \"d\" in duration \"1d\": see --help for the flags\n",
		},
		"a value that makes no sense": {
			"--max-mode=strict", 2, "error: --max-mode: \"strict\" is not a mode: use audit, warn or enforce\n",
		},
		"an API server that is nowhere": {
			"--kubeconfig=nowhere", 1,
			"error: find the API server: stat nowhere: no such file or directory: run in a cluster, or name a file by --kubeconfig\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			status, got := startIn(t, strings.Fields(c.args))
			if status != c.status || got != c.want {
				t.Errorf("status %d, %q\nwant   %d, %q", status, got, c.status, c.want)
			}
		})
	}
}

// startIn is the exit status of start and what it writes to standard error.
func startIn(t *testing.T, args []string) (status int, text string) {
	t.Helper()
	file, err := os.Create(t.TempDir() + "/stderr")
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = before }()
	status = start(t.Context(), args)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return status, string(out)
}
