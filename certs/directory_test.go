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

// following is a Directory that runs until the test ends, and the time by its clock.
type following struct {
	*Directory
	path  string
	clock *clocktesting.FakePassiveClock
}

func follow(t *testing.T) following {
	t.Helper()
	f := following{path: t.TempDir(), clock: clocktesting.NewFakePassiveClock(time.Now())}
	var err error
	if f.Directory, err = NewDirectory(DirectoryOptions{Path: f.path, Poll: 20 * time.Millisecond, Clock: f.clock}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return f
}

// mounted writes a leaf that lives so long, waits until it is loaded, and returns the bundle of its CA.
func (f following) mounted(t *testing.T, life, ofCA time.Duration) []byte {
	t.Helper()
	now := time.Now()
	ca, err := newAuthority(now, ofCA, maxSkew)
	if err != nil {
		t.Fatal(err)
	}
	mount(t, f.path, ca, now, life)
	eventually(t, "the files are loaded", func() bool { return f.Ready() == nil && f.CANotAfter().Equal(ca.cert.NotAfter) })
	bundle, err := certutil.EncodeCertificates(ca.cert)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func (f following) wantUnready(t *testing.T, want string) {
	t.Helper()
	if err := f.Ready(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestDirectory_FilesComeLater(t *testing.T) {
	d := follow(t)
	d.wantUnready(t, "no serving certificate is loaded yet: make sure that \""+d.path+"\" holds tls.crt and tls.key, and that they belong together")
	if !d.NotAfter().IsZero() || !d.CANotAfter().IsZero() {
		t.Error("nothing is loaded, but something expires")
	}
	bundle := d.mounted(t, time.Hour, 10*time.Hour)
	if err := handshake(d, bundle, d.clock.Now()); err != nil {
		t.Error(err)
	}
}

func TestDirectory_RenewedCertificate(t *testing.T) {
	d := follow(t)
	old := d.mounted(t, time.Hour, 10*time.Hour)
	now := d.clock.Now()
	d.clock.SetTime(now.Add(2 * time.Hour))
	end := d.NotAfter().UTC().Format(time.RFC3339)
	d.wantUnready(t, "the serving certificate expired at "+end+": make sure that the issuer of the files in \""+d.path+"\" renews them")
	bundle := d.mounted(t, 5*time.Hour, 20*time.Hour)
	if err := handshake(d, bundle, now); err != nil {
		t.Error(err)
	}
	if handshake(d, old, now) == nil {
		t.Error("the old certificate is still served")
	}
}

// A pair that does not fit is half of an update, or a mistake: the last good one is served.
func TestDirectory_PairThatDoesNotFit(t *testing.T) {
	d := follow(t)
	bundle := d.mounted(t, time.Hour, 10*time.Hour)
	if err := os.WriteFile(filepath.Join(d.path, "tls.key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	failures := testutil.ToFloat64(certwatchermetrics.ReadCertificateErrors)
	eventually(t, "the pair is read and does not fit", func() bool { return testutil.ToFloat64(certwatchermetrics.ReadCertificateErrors) > failures })
	if err := d.Ready(); err != nil {
		t.Error(err)
	}
	if err := handshake(d, bundle, d.clock.Now()); err != nil {
		t.Error(err)
	}
}

func TestDirectory_LogsAnOutageOnce(t *testing.T) {
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
			d.logOnce(err, time.Second)
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
	watching := d.follow(ended) // ends with its context, which is not an outage
	if err := d.Ready(); err != nil {
		t.Fatal(err, watching)
	}
	if err := os.Remove(filepath.Join(dir, "tls.crt")); err != nil {
		t.Fatal(err)
	}
	outage()
}

func TestNewDirectory_InvalidOptions(t *testing.T) {
	for want, options := range map[string]DirectoryOptions{
		"the certificate directory has no path: name the directory that holds tls.crt and tls.key": {},
		"the certificate directory cannot be read every -1s: give a positive duration":             {Path: "x", Poll: -time.Second},
	} {
		if _, err := NewDirectory(options); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
