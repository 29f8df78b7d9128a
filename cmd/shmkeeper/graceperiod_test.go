package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
)

// shipped returns the flags that the Deployment gives the server, and how long its Pods have from SIGTERM until they are killed.
func shipped(t *testing.T) (o *Options, grace time.Duration) {
	t.Helper()
	text, err := os.ReadFile("../../manifests/base/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var deployment appsv1.Deployment
	unmarshal(t, text, &deployment)
	pod := deployment.Spec.Template.Spec
	var values []string
	for _, e := range pod.Containers[0].Env {
		values = append(values, "$("+e.Name+")", e.Value)
	}
	var args []string
	for _, arg := range pod.Containers[0].Args {
		args = append(args, strings.NewReplacer(values...).Replace(arg))
	}
	o, _ = parsed(t, args...)
	return o, time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
}

// A Pod is killed only when it should have ended: after the delay, the requests that have begun, and some seconds for
// a leader to end its work and give up its Lease. The page about the server says so.
func TestDrain_FitsInTheGracePeriod(t *testing.T) {
	const afterDelay = answerTimeout + 5*time.Second
	o, grace := shipped(t)
	if least := o.ShutdownDelay + afterDelay; grace < least {
		t.Errorf("terminationGracePeriodSeconds is %s, want at least %s: --shutdown-delay is %s, and the rest takes up to %s", grace, least, o.ShutdownDelay, afterDelay)
	}
	page, err := os.ReadFile("../../docs/reference/server.md")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("The manifests give a Pod %.0f seconds (`terminationGracePeriodSeconds`): raise that where you set `--shutdown-delay` above %.0f seconds.",
		grace.Seconds(), (grace - afterDelay).Seconds())
	if !strings.Contains(strings.Join(strings.Fields(string(page)), " "), want) {
		t.Errorf("docs/reference/server.md does not say: %s", want)
	}
}
