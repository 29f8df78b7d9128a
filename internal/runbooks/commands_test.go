package runbooks

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommands(t *testing.T) {
	const page = "# A: b\n\n    kubectl get pods | grep -e a\n\nRun `kubectl shm top -A`, not `kubectl shm size` or `df`, or `crictl inspectp X`.\n" +
		"```\n    kubectl of an output\n```\n    curl https://SITE/\n"
	want := []string{"kubectl get pods | grep -e a", "kubectl shm top -A", "crictl inspectp X", "curl https://SITE/"}
	if diff := cmp.Diff(want, Commands(page)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTrial_Run(t *testing.T) {
	shell := Shell{Dir: t.TempDir(), Replace: map[string]string{"NAMESPACE": "shop", "NAME": "web"}, Instead: map[string]string{"sleep 60": "sleep 0"}}
	for name, c := range map[string]struct {
		trial Trial
		err   string
	}{
		"what it shows":             {trial: Trial{Command: "echo NAMESPACE/NAME", Shows: `^shop/web$`}},
		"something else":            {Trial{Command: "echo NAME", Shows: "shop"}, "echo web: it prints\nweb\n; want a match of \"shop\""},
		"a failure":                 {Trial{Command: "echo shop; echo no >&2; exit 3", Shows: "shop"}, "echo shop; echo no >&2; exit 3: exit status 3: no\n"},
		"a failure within a pipe":   {Trial{Command: "(echo shop; exit 3) | cat", Shows: "shop"}, "(echo shop; exit 3) | cat: exit status 3: "},
		"a text instead":            {Trial{Command: "echo sleep 60"}, "echo sleep 0: it prints\nsleep 0\n; want nothing"},
		"nothing to find":           {trial: Trial{Command: "echo web | grep shop"}},
		"an error and nothing":      {Trial{Command: "(echo no >&2; exit 1) | grep shop"}, "(echo no >&2; exit 1) | grep shop: exit status 1: no\n"},
		"output where none belongs": {Trial{Command: "echo web"}, "echo web: it prints\nweb\n; want nothing"},
		"a status that it has":      {trial: Trial{Command: "echo web; exit 1", Status: 1, Shows: "web"}},
		"a status that is missing":  {Trial{Command: "echo web", Status: 1, Shows: "web"}, "echo web: it ends without an error: "},
		"a program that waits":      {trial: Trial{Command: "sleep 60 &", Then: "echo web", Shows: "web"}},
		"one after another":         {trial: Trial{Command: "t=$(mktemp -u)", Then: "cat $t || ! echo web >$t", Shows: "web"}},
		"no second without a first": {Trial{Command: "false", Then: "echo web", Shows: "web"}, "false: exit status 1: "},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := c.trial.Run(t.Context(), shell); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(c.err, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
