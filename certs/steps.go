package certs

import (
	"crypto/x509"
	"slices"
	"time"
)

// change is one step that was taken: Reason is a fixed word, Note a fixed sentence for the log and the event.
type change struct{ Reason, Note string }

var (
	created        = change{"CACreated", "A new CA was created"}
	begun          = change{"CAChangeBegun", "A next CA was generated; it signs once the bundle with it is published"}
	published      = change{"CABundlePublished", "The bundle was found in every webhook configuration"}
	unpublished    = change{"CABundleOverwritten", "The bundle has vanished from a webhook configuration; the change of CA waits for it to return"}
	promoted       = change{"CAPromoted", "The next CA signs from now on; the old one stays trusted until its last leaf has expired"}
	promotedEarly  = change{"CAPromotedEarly", "The next CA signs although its bundle is not known to be published, since the old CA has expired"}
	retired        = change{"CARetired", "A previous CA has left the bundle"}
	postponed      = change{"CARetirementPostponed", "It is not known when the previous CA may leave the bundle; one leaf duration is waited from now"}
	kept           = change{"CAKept", "The CA of a leaf in use was missing from the Secret and stays trusted until that leaf has expired"}
	repaired       = change{"CASecretRepaired", "What could not be read beside the signing CA was removed from the Secret"}
	restored       = change{"CASecretRestored", "The Secret was missing or unreadable; it was written back from memory, and a change of CA begins"}
	replacedUnread = change{"CASecretReplaced", "The Secret was unreadable and no replica remembered its CA; a new CA was created"}
)

// rules are the times that the steps keep.
type rules struct {
	caLife, leafLife, settle time.Duration
	skew                     time.Duration // by which clocks may differ
}

// maxSkew is what clocks of a cluster are taken to differ by. Leaves that live for less than ten times of it are for tests, on one clock.
const maxSkew = 5 * time.Minute

func rulesOf(o Options) rules {
	return rules{caLife: o.CADuration, leafLife: o.LeafDuration, settle: o.Settle, skew: min(maxSkew, o.LeafDuration/10)}
}

// lastLeaf is when a leaf signed by now has certainly expired, on every clock.
func (r rules) lastLeaf(now time.Time) time.Time { return now.Add(r.leafLife + r.skew) }

// step returns the state after the one step that is due, and nil if none is. isPublished is asked only where the answer matters.
func (r rules) step(s state, now time.Time, isPublished func(state) (bool, error)) (state, *change, error) {
	if len(s.previous) > 0 && s.previousUntil.IsZero() {
		return s.with(r.lastLeaf(now)), &postponed, nil
	}
	if left := r.stillTrusted(s, now); len(left) < len(s.previous) {
		s.previous = left
		return s, &retired, nil
	}
	if !now.Before(s.signing.cert.NotAfter) {
		return r.replaceExpired(s, now)
	}
	if s.next == nil && !now.Before(r.renewal(s.signing.cert)) {
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

func (r rules) settled(s state, now time.Time) bool {
	return !s.published.IsZero() && !now.Before(s.published.Add(r.settle))
}

// renewal is at two thirds of a CA's life, as cert-manager has it by default.
func (r rules) renewal(cert *x509.Certificate) time.Time {
	return cert.NotAfter.Add(-cert.NotAfter.Sub(cert.NotBefore.Add(r.skew)) / 3)
}

func (r rules) stillTrusted(s state, now time.Time) []*x509.Certificate {
	if !now.Before(s.previousUntil) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.previous), func(cert *x509.Certificate) bool { return !now.Before(cert.NotAfter) })
}

// replaceExpired does not wait for anything: nobody accepts the old CA any more.
func (r rules) replaceExpired(s state, now time.Time) (state, *change, error) {
	if s.next != nil && now.Before(s.next.cert.NotAfter) {
		s.signing, s.next = s.next, nil
		return s, &promotedEarly, nil
	}
	fresh, err := r.create(now)
	fresh.previous, fresh.previousUntil = s.previous, s.previousUntil
	return fresh, &created, err
}

func (r rules) begin(s state, now time.Time) (state, *change, error) {
	next, err := newAuthority(now, r.caLife, r.skew)
	s.next, s.published = next, time.Time{}
	return s, &begun, err
}

func (r rules) confirm(s state, now time.Time, isPublished func(state) (bool, error)) (state, *change, error) {
	yes, err := isPublished(s)
	if err != nil || !yes {
		return s, nil, err
	}
	s.published = now
	return s, &published, nil
}

// promote looks once more: somebody may have overwritten the bundle since it was confirmed.
func (r rules) promote(s state, now time.Time, isPublished func(state) (bool, error)) (state, *change, error) {
	yes, err := isPublished(s)
	if err != nil {
		return s, nil, err
	}
	if !yes {
		s.published = time.Time{}
		return s, &unpublished, nil
	}
	s = s.with(r.lastLeaf(now), s.signing.cert)
	s.signing, s.next = s.next, nil
	return s, &promoted, nil
}

// restore continues what a replica remembers, and begins a change of CA: whoever has deleted or damaged the Secret may have had a reason.
func (r rules) restore(remembered state, now time.Time) (state, error) {
	remembered.published = time.Time{}
	if remembered.next != nil {
		return remembered, nil
	}
	next, err := newAuthority(now, r.caLife, r.skew)
	remembered.next = next
	return remembered, err
}

// create starts with a new CA.
func (r rules) create(now time.Time) (state, error) {
	fresh, err := newAuthority(now, r.caLife, r.skew)
	return state{signing: fresh}, err
}

// keep has CAs stay trusted that were found in the Secret or in its place, since another replica may serve a leaf of theirs.
func (r rules) keep(s state, found []*x509.Certificate, now time.Time) state {
	found = slices.DeleteFunc(slices.Clone(found), func(cert *x509.Certificate) bool {
		return s.trusts(cert) || !now.Before(cert.NotAfter)
	})
	if len(found) == 0 {
		return s
	}
	return s.with(r.lastLeaf(now), found...)
}
