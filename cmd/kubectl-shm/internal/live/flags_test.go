package live

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

const kubeconfig = `apiVersion: v1
kind: Config
clusters:
- {name: one, cluster: {server: "https://127.0.0.1:1"}}
users:
- {name: me, user: {token: secret}}
contexts:
- {name: here, context: {cluster: one, user: me, namespace: shop}}
- {name: bare, context: {cluster: one, user: me}}
- {name: lost, context: {cluster: two, user: me}}
- {name: nobody, context: {cluster: one, user: you}}
current-context: here
`

// connect reads flags as a command does, in an environment without a cluster.
func connect(t *testing.T, args ...string) (*Cluster, error) {
	t.Helper()
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("HOME", t.TempDir())
	var f Flags
	cmd := &cobra.Command{Use: "x"}
	f.AddSelection(cmd)
	f.Add(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return f.Connect(cli.Streams{ErrOut: t.Output()})
}

func TestFlags_ChooseWhatToLookAt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", file)
	for name, c := range map[string]struct {
		args      []string
		namespace string
		user      string
	}{
		"the context's namespace":               {nil, "shop", ""},
		"-n":                                    {[]string{"-n", "ns/web"}, "web", ""},
		"another context":                       {[]string{"--context", "bare"}, "default", ""},
		"-A":                                    {[]string{"-A", "-n", "web"}, "", ""},
		"a context of no cluster, but a server": {[]string{"--context", "lost", "--server", "https://127.0.0.1:1"}, "default", ""},
		"a context of no user, but a user":      {[]string{"--context", "nobody", "--user", "me"}, "default", ""},
		"--as":                                  {[]string{"--as", "jane", "--as-group", "dev", "--request-timeout", "3s"}, "shop", "jane"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := connect(t, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			if got.Namespace != c.namespace || got.Config.Impersonate.UserName != c.user || got.Config.Host != "https://127.0.0.1:1" {
				t.Errorf("namespace %q as %q at %s, want %q as %q", got.Namespace, got.Config.Impersonate.UserName, got.Config.Host, c.namespace, c.user)
			}
		})
	}
}

func TestFlags_ErrorsSayWhatToDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	garbage := filepath.Join(t.TempDir(), "garbage")
	for name, text := range map[string]string{file: kubeconfig, garbage: "\x00{["} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		kubeconfig string
		args       []string
		want       string
	}{
		"no kubeconfig":           {"", nil, "there is no cluster to ask: name a kubeconfig with --kubeconfig or in KUBECONFIG, or use a verb that reads manifests, such as kubectl shm review"},
		"a context that is not":   {file, []string{"--context", "there"}, `--context: "there" is not in the kubeconfig: kubectl config get-contexts lists what is`},
		"a context of no cluster": {file, []string{"--context", "lost"}, `kubeconfig: context "lost" names the cluster "two", which is not there: add it with kubectl config set-cluster, or choose another with --context`},
		"a context of no user":    {file, []string{"--context", "nobody"}, `kubeconfig: context "nobody" names the user "you", which is not there: add it with kubectl config set-credentials, or choose another with --context`},
		"a timeout that is not":   {file, []string{"--request-timeout", "soon"}, `--request-timeout: "soon" is not a time: write one such as 30s`},
		"a file that is not":      {"", []string{"--kubeconfig", "/none/there"}, "--kubeconfig: stat /none/there: no such file or directory: name a file that kubectl can use"},
		"a file that is garbage":  {"", []string{"--kubeconfig", garbage}, "--kubeconfig: error loading config file"},
		"a selector that is not":  {file, []string{"-l", "a in (b"}, `-l: "a in (b" is not a selector: `},
		"a namespace that is not": {
			file,
			[]string{"-n", "A/b"},
			`-n: "A/b" is not the name of a namespace: write lower-case letters, digits and -`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", c.kubeconfig)
			_, err := connect(t, c.args...)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}
