// Command argocd compares objects as Argo CD does, by Argo CD's own code. It reads a list of pairs in JSON, each of an object as it
// was rendered and of what is in the cluster, and prints those that differ. The exit status is 1 if any does.
//
// It is a program, and not a package that a test imports, as Argo CD needs all of Kubernetes' own API packages.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// pair is what is wanted and what is there.
type pair struct {
	Config, Live *unstructured.Unstructured
}

func main() {
	differing, err := run(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "argocd:", err)
		os.Exit(2)
	}
	if differing > 0 {
		os.Exit(1)
	}
}

// run returns how many of the pairs differ.
func run(in io.Reader, out io.Writer) (differing int, err error) {
	var pairs []pair
	if err := json.NewDecoder(in).Decode(&pairs); err != nil {
		return 0, err
	}
	for _, p := range pairs {
		result, err := diff.Diff(p.Config, p.Live)
		if err != nil {
			return 0, fmt.Errorf("%s %s: %w", p.Config.GetKind(), p.Config.GetName(), err)
		}
		if result.Modified {
			differing++
			fmt.Fprintf(out, "%s %s is\n%s\nand would become\n%s\n", p.Config.GetKind(), p.Config.GetName(), result.NormalizedLive, result.PredictedLive)
		}
	}
	return differing, nil
}
