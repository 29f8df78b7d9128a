package certs

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	certutil "k8s.io/client-go/util/cert"
)

// The content of the Secret. Keys and annotations that are not listed here are left as they are.
const (
	signingCertKey = corev1.TLSCertKey
	signingKeyKey  = corev1.TLSPrivateKeyKey
	nextCertKey    = "next.crt"
	nextKeyKey     = "next.key"
	previousKey    = "previous.crt"

	// publishedAnnotation is "<fingerprint> <time>": since when the bundle with the newest CA has been seen in the webhook configurations.
	publishedAnnotation = "shmkeeper.dev/bundle-published"
	// previousUntilAnnotation is the time at which the last leaf of a previous CA has expired.
	previousUntilAnnotation = "shmkeeper.dev/previous-until"
)

// caSecret is what the Secret says. It is never changed in place.
type caSecret struct {
	signing       *authority
	next          *authority // nil unless a change of CA has begun
	previous      []*x509.Certificate
	previousUntil time.Time
	published     time.Time // of the newest CA; zero: not yet
}

// newest returns the CA whose publication is the last thing that was or is waited for.
func (s caSecret) newest() *authority {
	if s.next != nil {
		return s.next
	}
	return s.signing
}

// authorities returns all CAs that a leaf in use may come from, oldest first: their order does not change when one is promoted, so
// neither does the bundle.
func (s caSecret) authorities() []*x509.Certificate {
	all := append([]*x509.Certificate{s.signing.cert}, s.previous...)
	if s.next != nil {
		all = append(all, s.next.cert)
	}
	return sortedSet(all)
}

func (s caSecret) trusts(cert *x509.Certificate) bool {
	return slices.ContainsFunc(s.authorities(), cert.Equal)
}

// trusting adds CAs to those that stay trusted until a time.
func (s caSecret) trusting(until time.Time, certs ...*x509.Certificate) caSecret {
	s.previous = sortedSet(slices.Concat(s.previous, certs))
	if until.After(s.previousUntil) {
		s.previousUntil = until
	}
	return s
}

func sortedSet(certs []*x509.Certificate) []*x509.Certificate {
	certs = slices.Clone(certs)
	slices.SortFunc(certs, func(a, b *x509.Certificate) int {
		if order := a.NotBefore.Compare(b.NotBefore); order != 0 {
			return order
		}
		return bytes.Compare(a.Raw, b.Raw)
	})
	return slices.CompactFunc(certs, (*x509.Certificate).Equal)
}

// decodeState reads a Secret. What cannot be read beside the signing CA is left out and costs at
// most the progress of a change of CA; an error means that there is nothing to sign with, and then
// the state holds, as previous, the CAs whose certificates could be read.
func decodeState(secret *corev1.Secret) (caSecret, error) {
	var s caSecret
	signing, err := decodeAuthority(secret.Data[signingCertKey], secret.Data[signingKeyKey])
	if err != nil {
		return caSecret{previous: readableCAs(secret)}, fmt.Errorf("%s and %s: %w", signingCertKey, signingKeyKey, err)
	}
	s.signing = signing
	if next, err := decodeAuthority(secret.Data[nextCertKey], secret.Data[nextKeyKey]); err == nil && !next.cert.Equal(signing.cert) {
		s.next = next
	}
	s.previous = decodeAuthorities(secret.Data[previousKey])
	// A time that cannot be read is zero, which the next step replaces by a safe one.
	s.previousUntil, _ = time.Parse(time.RFC3339Nano, secret.Annotations[previousUntilAnnotation])
	if name, at, found := strings.Cut(secret.Annotations[publishedAnnotation], " "); found && name == fingerprint(s.newest().cert) {
		s.published, _ = time.Parse(time.RFC3339Nano, at)
	}
	return s, nil
}

// findDamage returns which optional part of the Secret was left out by decodeState.
func findDamage(secret *corev1.Secret, s caSecret) error {
	hasNext := len(secret.Data[nextCertKey])+len(secret.Data[nextKeyKey]) > 0
	if hasNext && s.next == nil {
		return errors.New("next.crt and next.key cannot be used")
	}
	if len(secret.Data[previousKey]) > 0 && len(s.previous) == 0 {
		return errors.New("previous.crt cannot be used")
	}
	return nil
}

func readableCAs(secret *corev1.Secret) []*x509.Certificate {
	var found []*x509.Certificate
	for _, key := range []string{signingCertKey, nextCertKey, previousKey} {
		found = append(found, decodeAuthorities(secret.Data[key])...)
	}
	return sortedSet(found)
}

// decodeAuthorities returns the CAs of a PEM bundle, and none if any of it cannot be read.
func decodeAuthorities(content []byte) []*x509.Certificate {
	certs, err := certutil.ParseCertsPEM(content)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(certs, func(cert *x509.Certificate) bool { return !canSign(cert) })
}

// encode writes the state into a Secret.
func (s caSecret) encode(secret *corev1.Secret) error {
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	var err error
	if secret.Data[signingCertKey], secret.Data[signingKeyKey], err = s.signing.encode(); err != nil {
		return err
	}
	delete(secret.Data, nextCertKey)
	delete(secret.Data, nextKeyKey)
	if s.next != nil {
		if secret.Data[nextCertKey], secret.Data[nextKeyKey], err = s.next.encode(); err != nil {
			return err
		}
	}
	delete(secret.Data, previousKey)
	delete(secret.Annotations, previousUntilAnnotation)
	if len(s.previous) > 0 {
		if secret.Data[previousKey], err = certutil.EncodeCertificates(s.previous...); err != nil {
			return err
		}
		secret.Annotations[previousUntilAnnotation] = s.previousUntil.UTC().Format(time.RFC3339Nano)
	}
	delete(secret.Annotations, publishedAnnotation)
	if !s.published.IsZero() {
		secret.Annotations[publishedAnnotation] = fingerprint(s.newest().cert) + " " + s.published.UTC().Format(time.RFC3339Nano)
	}
	return nil
}
