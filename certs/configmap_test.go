package certs

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// exported returns what the ConfigMap has; empty if there is none.
func (c *cluster) exported(t *testing.T) string {
	t.Helper()
	m, err := c.CoreV1().ConfigMaps(namespace).Get(t.Context(), "shmkeeper-ca", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return m.Data["ca.crt"]
}

func TestSelfManaged_ExportsTheBundle(t *testing.T) {
	c := newCluster(t)
	r := c.replica(t)
	r.exportBundle(t.Context())
	if got := c.exported(t); got != "" {
		t.Errorf("before there is a CA the ConfigMap has %q", got)
	}
	if err := r.sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.exportBundle(t.Context())
	first := string(r.CABundle())
	if got := c.exported(t); got != first || first == "" {
		t.Errorf("the ConfigMap has %q, want %q", got, first)
	}

	for r.CABundle() == nil || string(r.CABundle()) == first {
		c.clock.Step(tick)
		r.exportBundle(t.Context()) // so that only the change is a reason to write once more
		if err := r.sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.exportBundle(t.Context())
	if got := c.exported(t); got != string(r.CABundle()) {
		t.Errorf("after a change of CA the ConfigMap has %q", got)
	}

	if err := c.CoreV1().ConfigMaps(namespace).Delete(t.Context(), "shmkeeper-ca", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.exportBundle(t.Context())
	if got := c.exported(t); got != "" {
		t.Error("it is written though nothing has changed")
	}
	c.clock.Step(bundleResync)
	r.exportBundle(t.Context())
	if got := c.exported(t); got != string(r.CABundle()) {
		t.Errorf("after it was deleted the ConfigMap has %q", got)
	}
}

func TestSelfManaged_ExportsTheBundleWhileItRuns(t *testing.T) {
	c := newCluster(t)
	r := c.replica(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Start(ctx) }()
	for end := time.Now().Add(time.Minute); c.exported(t) == ""; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("there is no ConfigMap")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
