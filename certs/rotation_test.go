package certs

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestSelfManaged_RotationSteps restarts everything after each step, so that nothing but the Secret carries the change on.
func TestSelfManaged_RotationSteps(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
	at := func(hours float64) {
		c.clock.SetTime(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(hours * float64(time.Hour))))
	}
	var got []string
	look := func(what string) {
		t.Helper()
		r := c.replica(t)
		syncOrFail(t, r)
		v := r.current.Load()
		all := v.state.authorities()
		var names []string
		for _, cert := range all {
			name := "day " + cert.NotAfter.Format("02 15:04")
			if cert.Equal(v.issuer) {
				name += " signs"
			}
			names = append(names, name)
		}
		got = append(got, what+": "+strings.Join(names, ", "))
		mutating, err := c.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), hooksName, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(mutating.Webhooks[0].ClientConfig.CABundle, r.CABundle()) {
			got = append(got, "  to be published")
		}
	}
	publish := func() { injectOrFail(t, c.injector(c.replica(t))) }

	look("at first")
	publish()
	look("published")
	at(15.9)
	look("before two thirds of its life")
	at(16.1)
	look("after two thirds of its life")
	at(17)
	look("while it is not published")
	publish()
	look("when it is")
	at(17.3)
	look("before it has settled")
	c.overwriteBundle(t, false)
	at(17.4)
	look("when the bundle is overwritten")
	publish()
	look("and published again")
	at(17.8)
	look("after it has settled")
	at(20.8)
	look("while a leaf of the old CA may live")
	at(20.9)
	look("afterwards")
	publish()
	look("and published")

	want := []string{
		"at first: day 02 00:00 signs", "  to be published",
		"published: day 02 00:00 signs",
		"before two thirds of its life: day 02 00:00 signs",
		"after two thirds of its life: day 02 00:00 signs, day 02 16:06", "  to be published",
		"while it is not published: day 02 00:00 signs, day 02 16:06", "  to be published",
		"when it is: day 02 00:00 signs, day 02 16:06",
		"before it has settled: day 02 00:00 signs, day 02 16:06",
		"when the bundle is overwritten: day 02 00:00 signs, day 02 16:06", "  to be published",
		"and published again: day 02 00:00 signs, day 02 16:06",
		"after it has settled: day 02 00:00, day 02 16:06 signs",
		"while a leaf of the old CA may live: day 02 00:00, day 02 16:06 signs",
		"afterwards: day 02 16:06 signs", "  to be published",
		"and published: day 02 16:06 signs",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A clock that was ahead for a while leaves behind CAs that are not valid yet. Nobody accepts them, so they are replaced as soon
// as the clock is right.
func TestSelfManaged_ClockThatWasAhead(t *testing.T) {
	for name, steps := range map[string][]time.Duration{
		"beyond the end of the CA":              {366 * time.Hour},
		"when a next CA is due":                 {17 * time.Hour},
		"when a next CA is due, until it signs": {17 * time.Hour, 30 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
			one, two := c.replica(t), c.replica(t)
			synced := func() {
				t.Helper()
				syncOrFail(t, one, two)
				injectOrFail(t, c.injector(one))
				syncOrFail(t, one, two)
			}
			synced()
			right := c.clock.Now().Add(time.Minute)
			for _, step := range steps {
				c.clock.Step(step)
				synced()
			}
			for c.clock.SetTime(right); c.clock.Since(right) < 10*time.Hour; c.clock.Step(10 * time.Minute) {
				synced()
				later := c.replica(t)
				syncOrFail(t, later)
				for _, r := range []*SelfManaged{one, two, later} {
					if err := c.connect(r, c.bundle(t)); err != nil {
						t.Fatalf("%s after the clock was set right: %v", c.clock.Since(right), err)
					}
				}
			}
			for _, cert := range one.current.Load().state.authorities() {
				if c.clock.Now().Before(cert.NotBefore) {
					t.Errorf("a CA that is valid from %s is still trusted", cert.NotBefore)
				}
			}
		})
	}
}
