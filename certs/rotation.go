package certs

import (
	"crypto/x509"
	"slices"
	"time"
)

// rotationEvent is one step that was taken: Reason is a fixed word, Note a fixed sentence for the log and the event.
type rotationEvent struct{ Reason, Note string }

var (
	created        = rotationEvent{"CACreated", "A new CA was created"}
	begun          = rotationEvent{"CAChangeBegun", "A next CA was generated; it signs once the bundle with it is published"}
	published      = rotationEvent{"CABundlePublished", "The bundle was found in every webhook configuration"}
	unpublished    = rotationEvent{"CABundleOverwritten", "The bundle has vanished from a webhook configuration; the change of CA waits for it to return"}
	promoted       = rotationEvent{"CAPromoted", "The next CA signs from now on; the old one stays trusted until its last leaf has expired"}
	promotedEarly  = rotationEvent{"CAPromotedEarly", "The next CA signs although its bundle is not known to be published, since the old CA is not valid now"}
	retired        = rotationEvent{"CARetired", "A previous CA has left the bundle"}
	postponed      = rotationEvent{"CARetirementPostponed", "It is not known when the previous CA may leave the bundle; one leaf duration is waited from now"}
	kept           = rotationEvent{"CAKept", "The CA of a leaf in use was missing from the Secret and stays trusted until that leaf has expired"}
	repaired       = rotationEvent{"CASecretRepaired", "What could not be read beside the signing CA was removed from the Secret"}
	restored       = rotationEvent{"CASecretRestored", "The Secret was missing or unreadable; it was written back from memory, and a change of CA begins"}
	replacedUnread = rotationEvent{"CASecretReplaced", "The Secret was unreadable and no replica remembered its CA; a new CA was created"}
)

// rotationPolicy has the times that the steps of a rotation keep.
type rotationPolicy struct {
	caLife, leafLife, settle time.Duration
	skew                     time.Duration // by which clocks may differ
}

// maxSkew is what clocks of a cluster are taken to differ by. Leaves that live for less than ten times of it are for tests, on one clock.
const maxSkew = 5 * time.Minute

func rotationPolicyOf(o Options) rotationPolicy {
	return rotationPolicy{caLife: o.CADuration, leafLife: o.CertDuration, settle: o.Settle, skew: min(maxSkew, o.CertDuration/10)}
}

// lastLeaf returns when every leaf signed by now has expired, on every clock.
func (r rotationPolicy) lastLeaf(now time.Time) time.Time { return now.Add(r.leafLife + r.skew) }

// next returns the state after the one step that is due, and nil if none is. isPublished is asked only where the answer matters.
func (r rotationPolicy) next(s caSecret, now time.Time, isPublished func(caSecret) (bool, error)) (caSecret, *rotationEvent, error) {
	if len(s.previous) > 0 && s.previousUntil.IsZero() {
		return s.trusting(r.lastLeaf(now)), &postponed, nil
	}
	if left := r.stillTrusted(s, now); len(left) < len(s.previous) {
		s.previous = left
		return s, &retired, nil
	}
	if !s.signing.validAt(now) {
		return r.replaceInvalid(s, now)
	}
	if s.next == nil && !now.Before(r.renewal(s.signing.cert)) || s.next != nil && now.Before(s.next.cert.NotBefore) {
		return r.begin(s, now)
	}
	// A time in the future was written by a wrong clock, or by hand.
	if s.published.IsZero() || s.published.After(now.Add(r.skew)) {
		return r.confirm(s, now, isPublished)
	}
	if s.next != nil && r.settled(s, now) {
		return r.promote(s, now, isPublished)
	}
	return s, nil, nil
}

func (r rotationPolicy) settled(s caSecret, now time.Time) bool {
	return !s.published.IsZero() && !now.Before(s.published.Add(r.settle))
}

// renewal returns when a CA is renewed: at two thirds of a CA's life, as cert-manager has it by default.
func (r rotationPolicy) renewal(cert *x509.Certificate) time.Time {
	return cert.NotAfter.Add(-cert.NotAfter.Sub(cert.NotBefore.Add(r.skew)) / 3)
}

func (r rotationPolicy) stillTrusted(s caSecret, now time.Time) []*x509.Certificate {
	if !now.Before(s.previousUntil) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.previous), func(cert *x509.Certificate) bool { return !now.Before(cert.NotAfter) })
}

// replaceInvalid does not wait for anything: nobody accepts the old CA. It has expired, or was made by a clock that was ahead
// and has been set right since.
func (r rotationPolicy) replaceInvalid(s caSecret, now time.Time) (caSecret, *rotationEvent, error) {
	if s.next != nil && s.next.validAt(now) {
		s.signing, s.next = s.next, nil
		return s, &promotedEarly, nil
	}
	fresh, err := r.create(now)
	fresh.previous, fresh.previousUntil = s.previous, s.previousUntil
	return fresh, &created, err
}

// begin makes a next CA. One that is not valid yet was made by a clock that was ahead; it has signed nothing and leaves the bundle.
func (r rotationPolicy) begin(s caSecret, now time.Time) (caSecret, *rotationEvent, error) {
	next, err := newAuthority(now, r.caLife, r.skew)
	s.next, s.published = next, time.Time{}
	return s, &begun, err
}

func (r rotationPolicy) confirm(s caSecret, now time.Time, isPublished func(caSecret) (bool, error)) (caSecret, *rotationEvent, error) {
	yes, err := isPublished(s)
	if err != nil || !yes {
		return s, nil, err
	}
	s.published = now
	return s, &published, nil
}

// promote looks once more: somebody may have overwritten the bundle since it was confirmed.
func (r rotationPolicy) promote(s caSecret, now time.Time, isPublished func(caSecret) (bool, error)) (caSecret, *rotationEvent, error) {
	yes, err := isPublished(s)
	if err != nil {
		return s, nil, err
	}
	if !yes {
		s.published = time.Time{}
		return s, &unpublished, nil
	}
	s = s.trusting(r.lastLeaf(now), s.signing.cert)
	s.signing, s.next = s.next, nil
	return s, &promoted, nil
}

// restore continues what a replica remembers, and begins a change of CA: the Secret may have been deleted or damaged for a reason.
func (r rotationPolicy) restore(remembered caSecret, now time.Time) (caSecret, error) {
	remembered.published = time.Time{}
	if remembered.next != nil {
		return remembered, nil
	}
	next, err := newAuthority(now, r.caLife, r.skew)
	remembered.next = next
	return remembered, err
}

// create starts with a new CA.
func (r rotationPolicy) create(now time.Time) (caSecret, error) {
	fresh, err := newAuthority(now, r.caLife, r.skew)
	return caSecret{signing: fresh}, err
}

// keepTrusted keeps CAs trusted that were found in the Secret or in the configurations: another replica may still serve a certificate
// that they signed.
func (r rotationPolicy) keepTrusted(s caSecret, found []*x509.Certificate, now time.Time) caSecret {
	found = slices.DeleteFunc(slices.Clone(found), func(cert *x509.Certificate) bool {
		return s.trusts(cert) || !now.Before(cert.NotAfter)
	})
	if len(found) == 0 {
		return s
	}
	return s.trusting(r.lastLeaf(now), found...)
}
