package certs

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	certutil "k8s.io/client-go/util/cert"
	clocktesting "k8s.io/utils/clock/testing"
	certwatchermetrics "sigs.k8s.io/controller-runtime/pkg/certwatcher/metrics"
)

// mount writes a pair as the kubelet does: a new directory, and one symbolic link that is swapped.
func mount(t *testing.T, dir string, a *authority, now time.Time, life time.Duration) {
	t.Helper()
	leaf, err := a.sign([]string{serverName}, now, life, maxSkew)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := encodeLeaf(t, leaf)
	ca, err := certutil.EncodeCertificates(a.cert)
	if err != nil {
		t.Fatal(err)
	}
	version, err := os.MkdirTemp(dir, "..v")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"tls.crt": cert, "tls.key": key, "ca.crt": ca} {
		if err := os.WriteFile(filepath.Join(version, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	swap := filepath.Join(dir, "..swap")
	if err := os.Symlink(filepath.Base(version), swap); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(swap, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryIsFollowedWithoutARestart(t *testing.T) {
	now := time.Now()
	clock := clocktesting.NewFakePassiveClock(now)
	dir := t.TempDir()
	d, err := NewDirectory(DirectoryOptions{Path: dir, Poll: 20 * time.Millisecond, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Start(ctx) }()

	want := "no serving certificate is loaded yet: see that \"" + dir + "\" holds tls.crt and tls.key, and that they belong together"
	if err := d.Ready(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if !d.NotAfter().IsZero() || !d.CANotAfter().IsZero() {
		t.Error("nothing is loaded, but something expires")
	}
	one, err := newAuthority(now, 10*time.Hour, maxSkew)
	if err != nil {
		t.Fatal(err)
	}
	mount(t, dir, one, now, time.Hour)
	eventually(t, "files that come later are loaded", func() bool { return d.Ready() == nil })
	bundle, err := certutil.EncodeCertificates(one.cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(d, bundle, now); err != nil {
		t.Error(err)
	}
	if !d.CANotAfter().Equal(one.cert.NotAfter) {
		t.Errorf("the CA ends at %s, not %s", d.CANotAfter(), one.cert.NotAfter)
	}

	clock.SetTime(now.Add(2 * time.Hour))
	end := d.NotAfter().UTC().Format(time.RFC3339)
	want = "the serving certificate expired at " + end + ": see that the issuer of the files in \"" + dir + "\" renews them"
	if err := d.Ready(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}

	two, err := newAuthority(now, 20*time.Hour, maxSkew)
	if err != nil {
		t.Fatal(err)
	}
	mount(t, dir, two, now, 5*time.Hour)
	eventually(t, "a renewed certificate is loaded", func() bool { return d.Ready() == nil })
	if handshake(d, bundle, now) == nil {
		t.Error("the old certificate is still served")
	}

	// A pair that does not fit is half of an update, or a mistake: the last good one is served.
	if err := os.WriteFile(filepath.Join(dir, "tls.key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	failures := testutil.ToFloat64(certwatchermetrics.ReadCertificateErrors)
	eventually(t, "the pair is read and does not fit", func() bool { return testutil.ToFloat64(certwatchermetrics.ReadCertificateErrors) > failures })
	if err := d.Ready(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAnOutageOfADirectoryIsLoggedOnceAndTheNextOneToo(t *testing.T) {
	logged := 0
	dir := t.TempDir()
	d, err := NewDirectory(DirectoryOptions{Path: dir, Log: funcr.New(func(string, string) { logged++ }, funcr.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel() // follow loads the pair, and does not stay
	outage := func() {
		t.Helper()
		before := logged
		for range 3 {
			err := d.follow(ended)
			if err == nil {
				t.Fatal("files that are not there were read")
			}
			d.tell(err, time.Second)
		}
		if logged != before+1 {
			t.Errorf("an outage was logged %d times", logged-before)
		}
	}
	outage()
	now := time.Now()
	a, err := newAuthority(now, 10*time.Hour, maxSkew)
	if err != nil {
		t.Fatal(err)
	}
	mount(t, dir, a, now, time.Hour)
	watching := d.follow(ended) // ends with its context, which is no outage
	if err := d.Ready(); err != nil {
		t.Fatal(err, watching)
	}
	if err := os.Remove(filepath.Join(dir, "tls.crt")); err != nil {
		t.Fatal(err)
	}
	outage()
}

func TestADirectoryThatCannotWorkIsRefused(t *testing.T) {
	for want, options := range map[string]DirectoryOptions{
		"the certificate directory has no path: name the directory that holds tls.crt and tls.key": {},
		"the certificate directory cannot be read every -1s: give a positive duration":             {Path: "x", Poll: -time.Second},
	} {
		if _, err := NewDirectory(options); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
