package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	certutil "k8s.io/client-go/util/cert"
)

// SelfManaged serves leaves of a CA that all replicas share through a Secret. See the package comment for the change of CA.
type SelfManaged struct {
	options  Options
	rotation rotationPolicy

	syncing sync.Mutex // one sync at a time: the loop's, or that of the publisher of the bundle
	current atomic.Pointer[snapshot]
	lastErr atomic.Pointer[error]

	exported   []byte // of Start alone
	exportedAt time.Time

	listening sync.Mutex
	listeners []func()
}

// snapshot is what a replica knows after one reading of the Secret. It is never changed in place.
type snapshot struct {
	state  caSecret
	bundle []byte
	leaf   *tls.Certificate
	issuer *x509.Certificate // of the leaf
	renew  time.Time         // of the leaf
}

var _ Source = (*SelfManaged)(nil)

// NewSelfManaged checks the options. Nothing is read or written before Start.
func NewSelfManaged(options Options) (*SelfManaged, error) {
	options = options.withDefaults()
	if err := options.validate(); err != nil {
		return nil, err
	}
	return &SelfManaged{options: options, rotation: rotationPolicyOf(options)}, nil
}

// firstRetry doubles up to Resync while something fails or is waited for.
const firstRetry = time.Second

// Start implements Source.
func (s *SelfManaged) Start(ctx context.Context) error {
	retry := firstRetry
	for {
		err := s.sync(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			s.options.Log.Error(err, "The serving certificate could not be brought up to date; trying again")
		}
		s.exportBundle(ctx)
		wait := s.options.Resync
		if err != nil || !s.confirmed() {
			wait = min(retry, wait)
			retry = min(2*retry, s.options.Resync)
		} else {
			retry = firstRetry
		}
		timer := s.options.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C():
		}
	}
}

// NeedLeaderElection reports whether only the leader runs it: every replica does.
func (*SelfManaged) NeedLeaderElection() bool { return false }

// GetCertificate implements Source.
func (s *SelfManaged) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	v := s.current.Load()
	if v == nil {
		return nil, errNoCertificate
	}
	return v.leaf, nil
}

// Ready implements Source. A leaf of a CA that the webhook configurations do not carry yet does not count: the API server would refuse it.
// Neither does one of a CA that has just taken another one's place in them, since other replicas may still serve for that one.
func (s *SelfManaged) Ready() error {
	v := s.current.Load()
	if v == nil {
		return s.withLastErr(fmt.Errorf("%w: make sure that the server may get, create and update Secret %q in namespace %q",
			errNoCertificate, s.options.SecretName, s.options.Namespace))
	}
	if err := valid(v.leaf, s.options.Clock.Now()); err != nil {
		return s.withLastErr(fmt.Errorf("%w: make sure that the clock is right and that the server may get and update Secret %q in namespace %q",
			err, s.options.SecretName, s.options.Namespace))
	}
	if v.state.published.IsZero() && v.issuer.Equal(v.state.newest().cert) {
		return s.withLastErr(errors.New("the webhook configurations do not carry the CA of the serving certificate yet: " +
			"make sure that the server may get, list, watch and patch them, and that nobody else sets caBundle"))
	}
	if len(v.state.previous) > 0 && v.issuer.Equal(v.state.newest().cert) && !s.rotation.settled(v.state, s.options.Clock.Now()) {
		return s.withLastErr(fmt.Errorf("the CA of the serving certificate replaces another one, and has been in the webhook "+
			"configurations for less than %s: wait, until every API server has read it", s.options.Settle))
	}
	return nil
}

func (s *SelfManaged) withLastErr(err error) error {
	if last := s.lastErr.Load(); last != nil && *last != nil {
		return fmt.Errorf("the last attempt failed (%w): %w", *last, err)
	}
	return err
}

// NotAfter implements Source.
func (s *SelfManaged) NotAfter() time.Time {
	v := s.current.Load()
	if v == nil {
		return time.Time{}
	}
	return v.leaf.Leaf.NotAfter
}

// CANotAfter implements Source.
func (s *SelfManaged) CANotAfter() time.Time {
	v := s.current.Load()
	if v == nil {
		return time.Time{}
	}
	return v.issuer.NotAfter
}

// CABundle returns the PEM bundle of every CA that a leaf in use may come from, as of the last reading; nil before the first.
func (s *SelfManaged) CABundle() []byte {
	v := s.current.Load()
	if v == nil {
		return nil
	}
	return v.bundle
}

// FreshCABundle reads the Secret first, and takes the step that is due.
func (s *SelfManaged) FreshCABundle(ctx context.Context) ([]byte, error) {
	err := s.sync(ctx)
	return s.CABundle(), err
}

// OnBundleChange has changed called after CABundle has begun to return something else. It must not block, and not call back.
func (s *SelfManaged) OnBundleChange(changed func()) {
	s.listening.Lock()
	defer s.listening.Unlock()
	s.listeners = append(s.listeners, changed)
}

func (s *SelfManaged) confirmed() bool {
	v := s.current.Load()
	return v != nil && !v.state.published.IsZero()
}

// load takes over what was read from the Secret at a time. Reading before signing is what bounds the life of the last leaf of an old CA.
func (s *SelfManaged) load(read caSecret, at time.Time) error {
	bundle, err := certutil.EncodeCertificates(read.authorities()...)
	if err != nil {
		return err
	}
	old := s.current.Load()
	v := &snapshot{state: read, bundle: bundle}
	if s.reuseLeaf(old, read, at) {
		v.leaf, v.issuer, v.renew = old.leaf, old.issuer, old.renew
	} else {
		if v.leaf, err = read.signing.sign(s.options.DNSNames, at, s.rotation.leafLife, s.rotation.skew); err != nil {
			return err
		}
		v.issuer = read.signing.cert
		v.renew = v.leaf.Leaf.NotAfter.Add(-v.leaf.Leaf.NotAfter.Sub(at) / 3)
		s.options.Log.Info("A new serving certificate is in use", "notAfter", v.leaf.Leaf.NotAfter, "ca", fingerprint(v.issuer))
	}
	s.current.Store(v)
	if old == nil || !bytes.Equal(old.bundle, bundle) {
		s.notify()
	}
	return nil
}

// reuseLeaf reports whether the leaf in use is still the best one. A leaf of another CA than the
// signing one is replaced only when the bundle is known to every API server: it may have been
// somebody else who changed the CA, and at once.
func (s *SelfManaged) reuseLeaf(old *snapshot, read caSecret, now time.Time) bool {
	if old == nil || valid(old.leaf, now) != nil || !read.trusts(old.issuer) {
		return false
	}
	if old.issuer.Equal(read.signing.cert) {
		return now.Before(old.renew)
	}
	return !s.rotation.settled(read, now)
}

func (s *SelfManaged) notify() {
	s.listening.Lock()
	defer s.listening.Unlock()
	for _, changed := range s.listeners {
		changed()
	}
}
