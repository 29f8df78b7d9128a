package certs

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
)

// fieldManager owns what is written into the Secret.
const fieldManager = "shmkeeper-certs"

// maxSteps bounds one sync. More steps than a change of CA has mean that something keeps overwriting what we write.
const maxSteps = 10

// sync reads the Secret and takes steps until none is due. What was read is used even when a step fails.
func (s *SelfManaged) sync(ctx context.Context) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	err := s.takeSteps(ctx)
	s.lastErr.Store(&err)
	return err
}

func (s *SelfManaged) takeSteps(ctx context.Context) error {
	for range maxSteps {
		again, err := s.takeStep(ctx)
		if err != nil || !again {
			return err
		}
	}
	return fmt.Errorf("the Secret %q in namespace %q keeps changing: see who else writes it", s.options.SecretName, s.options.Namespace)
}

// takeStep reports whether to read again: after a step of its own, and after another replica was faster.
func (s *SelfManaged) takeStep(ctx context.Context) (again bool, err error) {
	now := s.options.Clock.Now() // before reading, see load
	secret, err := s.options.Client.CoreV1().Secrets(s.options.Namespace).Get(ctx, s.options.SecretName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		secret, err = nil, nil
	}
	if err != nil {
		return false, fmt.Errorf("read Secret %q in namespace %q: %w: make sure that the server may get it", s.options.SecretName, s.options.Namespace, err)
	}
	after, what, err := s.nextState(ctx, secret, now)
	if err != nil || what == nil {
		return false, err
	}
	if err := s.write(ctx, secret, after); err != nil {
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || (secret != nil && apierrors.IsNotFound(err)) {
			return true, nil
		}
		return false, fmt.Errorf("write Secret %q in namespace %q: %w: make sure that the server may create and update it, and that it is not immutable",
			s.options.SecretName, s.options.Namespace, err)
	}
	s.record(*what, after)
	return true, nil
}

// nextState loads what was read, and returns the state to be written, and why; nil if nothing is due. secret is nil if there is none.
func (s *SelfManaged) nextState(ctx context.Context, secret *corev1.Secret, now time.Time) (caSecret, *rotationEvent, error) {
	if secret == nil {
		return s.recover(ctx, nil, now, &created)
	}
	read, err := decodeState(secret)
	if err != nil {
		s.options.Log.Error(err, "The Secret of the CA is unreadable", "secret", s.options.SecretName)
		return s.recover(ctx, read.previous, now, &replacedUnread)
	}
	// Before loading: a leaf that is in use must not lose its CA.
	if old := s.current.Load(); old != nil && valid(old.leaf, now) == nil && !read.trusts(old.issuer) {
		return read.trusting(s.rotation.lastLeaf(now), old.issuer), &kept, nil
	}
	// A CA that is not valid now can sign nothing; the step below replaces it.
	if read.signing.validAt(now) {
		if err := s.load(read, now); err != nil {
			return read, nil, err
		}
	}
	if err := findDamage(secret, read); err != nil {
		s.options.Log.Error(err, "The Secret of the CA is damaged", "secret", s.options.SecretName)
		return read, &repaired, nil
	}
	return s.rotation.next(read, now, func(st caSecret) (bool, error) { return s.isPublished(ctx, st) })
}

// recover makes a state where the Secret has none: from memory, else a new one, and then otherwise is what happened. CAs that
// are published stay trusted: another replica may have made one meanwhile, and serve for it.
func (s *SelfManaged) recover(ctx context.Context, found []*x509.Certificate, now time.Time, otherwise *rotationEvent) (caSecret, *rotationEvent, error) {
	if s.options.Publisher != nil {
		trusted, err := s.options.Publisher.Trusted(ctx)
		if err != nil {
			return caSecret{}, nil, err
		}
		found = slices.Concat(found, slices.DeleteFunc(trusted, func(cert *x509.Certificate) bool { return !canSign(cert) }))
	}
	var after caSecret
	var err error
	if old := s.current.Load(); old != nil && old.state.signing.validAt(now) {
		after, err = s.rotation.restore(old.state, now)
		otherwise = &restored
	} else {
		after, err = s.rotation.create(now)
	}
	if err != nil {
		return caSecret{}, nil, err
	}
	return s.rotation.keepTrusted(after, found, now), otherwise, nil
}

func (s *SelfManaged) isPublished(ctx context.Context, st caSecret) (bool, error) {
	if s.options.Publisher == nil {
		return true, nil
	}
	bundle, err := certutil.EncodeCertificates(st.authorities()...)
	if err != nil {
		return false, err
	}
	return s.options.Publisher.Published(ctx, bundle)
}

// write succeeds only if the Secret is still the one that was read.
func (s *SelfManaged) write(ctx context.Context, secret *corev1.Secret, after caSecret) error {
	secrets := s.options.Client.CoreV1().Secrets(s.options.Namespace)
	if secret == nil {
		fresh := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: s.options.Namespace,
			Name:      s.options.SecretName,
			Labels:    map[string]string{"app.kubernetes.io/name": "shmkeeper", "app.kubernetes.io/managed-by": "shmkeeper"},
		}}
		if err := after.encode(fresh); err != nil {
			return err
		}
		_, err := secrets.Create(ctx, fresh, metav1.CreateOptions{FieldManager: fieldManager})
		return err
	}
	secret = secret.DeepCopy()
	if err := after.encode(secret); err != nil {
		return err
	}
	_, err := secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager})
	return err
}

// record logs what was done, and records an Event of the Secret.
func (s *SelfManaged) record(what rotationEvent, after caSecret) {
	s.options.Log.Info(what.Note, "reason", what.Reason, "secret", s.options.SecretName,
		"signing", fingerprint(after.signing.cert), "newest", fingerprint(after.newest().cert), "previous", len(after.previous))
	if s.options.Recorder == nil {
		return
	}
	about := &corev1.ObjectReference{APIVersion: "v1", Kind: "Secret", Namespace: s.options.Namespace, Name: s.options.SecretName}
	s.options.Recorder.Eventf(about, nil, what.eventType(), what.Reason, "ChangeCA", "%s.", what.Note)
}

// eventType returns Warning where somebody or something interfered.
func (c rotationEvent) eventType() string {
	switch c {
	case unpublished, promotedEarly, postponed, kept, repaired, restored, replacedUnread:
		return corev1.EventTypeWarning
	default:
		return corev1.EventTypeNormal
	}
}
