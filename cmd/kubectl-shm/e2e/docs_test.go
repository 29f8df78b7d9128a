package e2e

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/size"
	"github.com/shmkeeper/shmkeeper/envtest"
)

// pages are those whose commands are tried here.
var pages = []string{"how-to/audit.md", "explanation/remedies.md"}

// shown is a command in a page of docs, with its output below it.
var shown = regexp.MustCompile("(?s)```\n\\$ kubectl shm ([^\n]*)\n(.*?)```\n")

// named is a command in a page of docs, without its output.
var named = regexp.MustCompile(`(?m)^    kubectl shm (.*)$`)

// width is that of a terminal, for what the pages show.
const width = 120

// settle gives the Deployments of a namespace the status that controllers give.
func (c *cluster) settle(t *testing.T) {
	t.Helper()
	var list appsv1.DeploymentList
	if err := c.client.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		d := &list.Items[i]
		n := *d.Spec.Replicas
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
		if err := c.client.Status().Update(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a command as on a terminal, and returns what it printed.
func (c *cluster) run(command string) (string, error) {
	args := strings.Fields(command)
	if args[0] != "size" {
		args = append(args, "--kubeconfig", c.Kubeconfig)
	}
	var out, errOut bytes.Buffer
	streams := cli.Streams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut, Width: width}
	if code := cli.Run(args, streams, append(slices.Clone(verbs), size.Command)...); code != cli.ExitOK && !strings.Contains(command, "--fail-on") {
		return "", errors.New(errOut.String())
	}
	return out.String(), nil
}

// What the pages show is what the commands print, and the commands that they name work.
func TestDocs_CommandsAndTheirOutput(t *testing.T) {
	c := start(t, envtest.Options{WithoutControllerManager: true})
	showcase(t, c)
	c.settle(t)
	for _, page := range pages {
		file := filepath.Join("..", "..", "..", "docs", page)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		t.Run(page, func(t *testing.T) {
			t.Chdir(t.TempDir()) // where commands write files
			c.tryNamed(t, string(text))
			got = c.withOutputs(t, string(text))
		})
		clitest.Golden(t, filepath.Join("..", file), []byte(got))
	}
}

// tryNamed runs the commands that a page names.
func (c *cluster) tryNamed(t *testing.T, page string) {
	t.Helper()
	for _, m := range named.FindAllStringSubmatch(page, -1) {
		command, _, _ := strings.Cut(m[1], " > ")
		if strings.Contains(command, "--dry-run=none") {
			continue // TestRollout does it: here nothing would be ready
		}
		if out, err := c.run(command); err != nil || out == "" {
			t.Errorf("%s: %v", command, err)
		}
	}
}

// withOutputs returns a page with what the commands that it shows print.
func (c *cluster) withOutputs(t *testing.T, page string) string {
	t.Helper()
	return shown.ReplaceAllStringFunc(page, func(block string) string {
		command := shown.FindStringSubmatch(block)[1]
		out, err := c.run(command)
		if err != nil {
			t.Errorf("%s: %v", command, err)
		}
		return "```\n$ kubectl shm " + command + "\n" + out + "```\n"
	})
}

// The examples in the help of the verbs work.
func TestDocs_Examples(t *testing.T) {
	c := start(t, envtest.Options{WithoutControllerManager: true})
	showcase(t, c)
	c.settle(t)
	c.create(t, newNamespace("gone", "enforce"))
	tried := 0
	for _, verb := range verbs {
		for line := range strings.Lines(verb(cli.Streams{}).Example) {
			line, isCommand := strings.CutPrefix(strings.TrimSpace(line), "kubectl shm ")
			if !isCommand {
				continue
			}
			tried++
			command, _, _ := strings.Cut(line, " > ")
			command = strings.ReplaceAll(command, "my-policy.yaml", filepath.Join("..", "..", "..", "manifests", "policies", "selenium.yaml"))
			if strings.Contains(command, "--dry-run=none") {
				command = strings.ReplaceAll(command, "-n shop", "-n gone") // in which nothing is to do
			}
			if out, err := c.run(command); err != nil || out == "" {
				t.Errorf("%s: %v", command, err)
			}
		}
	}
	if tried < 8 {
		t.Errorf("only %d examples were found", tried)
	}
}
