package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// DirectoryOptions configure a Directory. Only Path is required.
type DirectoryOptions struct {
	// Path of the directory with tls.crt and tls.key, and ca.crt where its expiry is to be known.
	Path string
	// Poll is how often the files are read beside the notifications of the file system. Default 10 s.
	Poll time.Duration
	// Clock decides whether the certificate is valid. Default: the system's.
	Clock clock.PassiveClock
	Log   logr.Logger
}

// Directory serves the certificate that somebody else keeps in a directory, and follows its changes. While the files are
// unreadable or do not fit each other, the last good pair is served.
type Directory struct {
	options   DirectoryOptions
	watcher   atomic.Pointer[certwatcher.CertWatcher]
	lastError string // since a pair was last loaded; of Start alone
}

var _ Source = (*Directory)(nil)

// NewDirectory checks the options. The files may appear later: until then Ready says what is missing.
func NewDirectory(options DirectoryOptions) (*Directory, error) {
	if options.Path == "" {
		return nil, errors.New("the certificate directory has no path: name the directory that holds tls.crt and tls.key")
	}
	if options.Poll < 0 {
		return nil, fmt.Errorf("the certificate directory cannot be read every %s: give a positive duration", options.Poll)
	}
	if options.Poll == 0 {
		options.Poll = 10 * time.Second
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	return &Directory{options: options}, nil
}

// firstPoll is how often the files are looked for until there is a certificate. The file system tells nothing of files that are not there.
const firstPoll = time.Second

// Start implements Source.
func (d *Directory) Start(ctx context.Context) error {
	for ctx.Err() == nil {
		err := d.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		wait := d.options.Poll
		if d.watcher.Load() == nil {
			wait = min(wait, firstPoll)
		}
		d.logOnce(err, wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// logOnce logs an error once, and not every second, until a pair is loaded: the same error after that is another outage.
func (d *Directory) logOnce(err error, wait time.Duration) {
	if text := fmt.Sprint(err); text != d.lastError {
		d.options.Log.Error(err, "The serving certificate cannot be read; trying again", "directory", d.options.Path, "every", wait)
		d.lastError = text
	}
}

// follow returns when the files cannot be watched.
func (d *Directory) follow(ctx context.Context) error {
	watcher, err := certwatcher.New(d.file("tls.crt"), d.file("tls.key"))
	if err != nil {
		return err
	}
	d.watcher.Store(watcher)
	d.lastError = ""
	return watcher.WithWatchInterval(d.options.Poll).Start(ctx)
}

func (d *Directory) file(name string) string { return filepath.Join(d.options.Path, name) }

// NeedLeaderElection reports whether only the leader runs it: every replica does.
func (*Directory) NeedLeaderElection() bool { return false }

// GetCertificate implements Source.
func (d *Directory) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	watcher := d.watcher.Load()
	if watcher == nil {
		return nil, errNoCertificate
	}
	return watcher.GetCertificate(hello)
}

// Ready implements Source.
func (d *Directory) Ready() error {
	certificate, err := d.GetCertificate(nil)
	if err != nil {
		return fmt.Errorf("%w: make sure that %q holds tls.crt and tls.key, and that they belong together", err, d.options.Path)
	}
	if err := valid(certificate, d.options.Clock.Now()); err != nil {
		return fmt.Errorf("%w: make sure that the issuer of the files in %q renews them", err, d.options.Path)
	}
	return nil
}

// NotAfter implements Source.
func (d *Directory) NotAfter() time.Time {
	certificate, err := d.GetCertificate(nil)
	if err != nil {
		return time.Time{}
	}
	return certificate.Leaf.NotAfter
}

// CANotAfter implements Source. It reads ca.crt, which cert-manager puts beside the certificate,
// and takes the earliest end if there are several.
func (d *Directory) CANotAfter() time.Time {
	content, err := os.ReadFile(d.file("ca.crt"))
	if err != nil {
		return time.Time{}
	}
	authorities, err := certutil.ParseCertsPEM(content)
	if err != nil {
		return time.Time{}
	}
	end := authorities[0].NotAfter
	for _, authority := range authorities[1:] {
		if authority.NotAfter.Before(end) {
			end = authority.NotAfter
		}
	}
	return end
}
