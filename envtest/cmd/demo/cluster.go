package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
)

// What the demo applies, relative to the root of the checkout, where its commands are run.
const (
	enforced = "authentik"
	audited  = "authentik-audit"

	deployment = "examples/incident-deployment.yaml"
	podFile    = "examples/incident-pod.yaml"
	limitRange = "envtest/cmd/demo/limit-range.yaml"
	onDisk     = "envtest/cmd/demo/disk-at-dev-shm.yaml"
)

// cluster is a control plane with shmkeeper in it.
type cluster struct {
	shell
	replica *install.Replica
}

// start starts the control plane, installs shmkeeper and starts its server. What it started needs stop, even when it fails.
func (c *cluster) start(ctx context.Context) (err error) {
	if c.root, err = envtest.Root(ctx); err != nil {
		return err
	}
	c.heading("A real Kubernetes control plane, on this machine")
	fmt.Fprintln(c.out, "Starting etcd, kube-apiserver and kube-controller-manager...")
	if c.cp, err = envtest.Start(ctx, envtest.Options{Progress: &firstBuild{out: c.out}}); err != nil {
		return err
	}
	c.say(`They are the real ones. What is missing is a node: Pods are admitted and created as in any
cluster, by the real controllers, but nothing runs them, so they stay Pending.`)
	if err := c.kubectl(ctx, "version"); err != nil {
		return err
	}

	c.heading("Install shmkeeper")
	if err := c.summary(ctx, "apply", "-k", "manifests/default"); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "Building and starting its server...")
	// This folder goes with the control plane, and is swept up by the next one if this process is killed.
	dir := filepath.Dir(c.cp.Kubeconfig)
	program, err := install.Build(ctx, dir)
	if err != nil {
		return fmt.Errorf("%w: fix what go says, or fetch the modules with 'go mod download'", err)
	}
	if c.replica, err = install.StartReplica(ctx, c.cp, program, dir, "shmkeeper"); err != nil {
		return err
	}
	install.ServeReplicas(c.cp, c.replica)
	c.say(`It is ready. It runs as a process here, since there is no node for its Deployment, with the
rights of its service account and no others.`)
	// Policies are rejected until the API server trusts the webhooks that check them.
	apply := []string{"apply", "-k", "manifests/policies"}
	if _, err := c.eventually(ctx, append(apply, "--dry-run=server"), accepts); err != nil {
		return err
	}
	return c.summary(ctx, apply...)
}

// prepare makes the namespaces and returns when the policies are in force in them.
func (c *cluster) prepare(ctx context.Context) error {
	if err := c.summary(ctx, "wait", "--for=condition=MatchConditionCurrent", "sharedmemorypolicies", "--all", "--timeout=60s"); err != nil {
		return err
	}
	if err := c.kubectl(ctx, "get", "shmp", "authentik-proxy-outposts"); err != nil {
		return err
	}

	c.heading("Opt two namespaces in")
	c.say(`Without the label a namespace is left alone. The first also gets a LimitRange, as there was at
the incident: a container that names no memory gets a limit of 256Mi and a request of 64Mi.`)
	for _, args := range [][]string{
		{"create", "namespace", enforced},
		{"label", "namespace", enforced, "shmkeeper.dev/mode=enforce"},
		{"apply", "-n", enforced, "-f", limitRange},
		{"create", "namespace", audited},
		{"label", "namespace", audited, "shmkeeper.dev/mode=audit"},
	} {
		if err := c.kubectl(ctx, args...); err != nil {
			return err
		}
	}
	return c.waitInForce(ctx)
}

// waitInForce returns when the incident's Pod would get its volume, and one with a disk there would be rejected: the webhook
// configurations and the labels take a moment to reach the API server's caches.
func (c *cluster) waitInForce(ctx context.Context) error {
	mutated := []string{"create", "--dry-run=server", "-f", podFile, "-o", "jsonpath={.spec.volumes[*].emptyDir.medium}"}
	if _, err := c.eventually(ctx, mutated, func(output string, err error) bool { return err == nil && output != "" }); err != nil {
		return err
	}
	_, err := c.eventually(ctx, []string{"create", "--dry-run=server", "-n", enforced, "-f", onDisk}, rejectedByShmkeeper)
	return err
}

// accepts reports whether the API server has accepted a request.
func accepts(_ string, err error) bool { return err == nil }

// rejectedByShmkeeper reports whether it was the webhook that rejected a request, and not something
// that a new namespace still lacks.
func rejectedByShmkeeper(_ string, err error) bool {
	return err != nil && strings.Contains(err.Error(), "enforce.pods.shmkeeper.dev")
}

// stay prints how to use the cluster and returns when ctx ends.
func (c *cluster) stay(ctx context.Context) {
	c.heading("It is up")
	fmt.Fprintf(c.out, `In another terminal, in this folder:

export KUBECONFIG=%s
export PATH=%s:"$PATH"   # for its kubectl

kubectl get shmp
kubectl explain shmp.spec.sizing
kubectl apply -f %s
kubectl get pods -n %[4]s -o yaml
kubectl create -n %[4]s -f %[5]s       # rejected
kubectl create -n %[6]s -f %[5]s # admitted, and noted in the audit log

The server's log:           %[7]s
The API server's audit log: %[8]s

Ctrl-C here stops everything and removes it.
`, quote(c.cp.Kubeconfig), quote(filepath.Dir(c.cp.Programs.Kubectl)), deployment, enforced, onDisk, audited, c.replica.Log, c.cp.AuditLog)
	<-ctx.Done()
}

// stop ends everything. There is nothing to drain: its clients end with it.
func (c *cluster) stop() error {
	var errs []error
	if c.replica != nil {
		errs = append(errs, c.replica.Kill())
	}
	if c.cp != nil {
		errs = append(errs, c.cp.Stop())
	}
	return errors.Join(errs...)
}

// firstBuild says, before anything is fetched or built, how long that takes.
type firstBuild struct {
	out       io.Writer
	announced bool
}

func (b *firstBuild) Write(p []byte) (int, error) {
	if !b.announced {
		b.announced = true
		fmt.Fprint(b.out, `
They are not on this machine yet, so they are downloaded or, if there is no download, built
from their Go modules. A build takes 10 to 20 minutes on two cores, once; after that they start
in seconds. Interrupting loses nothing that is compiled already.

`)
	}
	return b.out.Write(p)
}

// pollEvery is the time between two tries of something that takes a moment.
const pollEvery = 200 * time.Millisecond
