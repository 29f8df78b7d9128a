package policy

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Sizes returns how large the file system at the mount path is for the writers, the smallest of
// several, and how large it would be if the Pod were created again from what its owner wrote. Both
// are in bytes, and as the kubelet mounts it; 0 if nothing that is known bounds it, if it is not tmpfs
// of the Pod's own, and for a subject that is not evaluated. Of a Violating subject the second is the
// size that its policy asks for.
func (e *Evaluation) Sizes() (current, given sizing.Bytes) {
	v := e.before
	if v == nil {
		return 0, 0
	}
	current = v.smallestSize()
	switch {
	case e.Outcome == Violating && v.policy.model != nil:
		return current, v.size.Limit
	case e.Outcome == Mutated:
		_, after, _ := v.plan(e.Guess)
		return current, after.smallestSize()
	case e.Outcome == Compliant && v.policy.model != nil && v.policy.mutates() && v.addedBefore():
		return current, v.size.Limit
	default:
		return current, current
	}
}

// smallestSize returns the size of the smallest file system that a writer has at the mount path, as
// it is mounted; 0 if one has none whose size is known.
func (v *view) smallestSize() sizing.Bytes {
	smallest := sizing.MaxBytes
	for i := range v.containers {
		c := &v.containers[i]
		if !c.writer {
			continue
		}
		size := sizing.Bytes(0)
		if !c.occupied() && !c.hostShm {
			size = v.runtimeSize()
		}
		for j := range v.mounts {
			m := &v.mounts[j]
			if m.container == i && !m.below && v.volumes[m.volume].memory {
				size = v.mounted(v.volumes[m.volume].size)
			}
		}
		smallest = min(smallest, size)
	}
	if smallest == sizing.MaxBytes {
		return 0
	}
	return smallest
}

// longestInjected bounds the annotation that is read, in bytes: ours are shorter.
const longestInjected = 16 << 10

// addedBefore reports whether the volume at the mount path is one that a mutation added, with a
// size limit that the policy would no longer give. This is the one place that reads the annotation
// shmkeeper.dev/injected: nothing else tells a volume of shmkeeper from one of the owner, whose
// template does not have the former. It decides about a report, and about no request.
func (v *view) addedBefore() bool {
	text := v.subject.Pod.Metadata.Annotations[v1alpha1.AnnotationInjected]
	if text == "" || len(text) > longestInjected {
		return false
	}
	var note injectedNote
	if json.Unmarshal([]byte(text), &note) != nil || note.Volume == "" {
		return false
	}
	for i := range v.volumes {
		if vol := &v.volumes[i]; vol.memory && vol.at && vol.name == note.Volume && vol.size != v.size.Limit {
			return true
		}
	}
	return false
}

// Recreated returns the subject for a question about a running Pod: what would happen to it if it
// were deleted and created again now? The quotas are those of its namespace. What the Pod takes of
// them is free again then.
func (s Subject) Recreated(quotas []*corev1.ResourceQuota) Subject {
	s.ResourceQuotas, s.counted = quotas, true
	return s
}

// SizeText says in a few words which size the policy gives: a size such as "897Mi", what it depends
// on, such as "30% of memory" or "1Gi + 4Gi each", or "none" for a policy without sizing.
func (p Policy) SizeText() string {
	if p.orNothing().model == nil {
		return "none"
	}
	if s, ok := p.Size(); ok {
		return s.Limit.String()
	}
	if m := p.model.memoryPercent; m != nil {
		return fmt.Sprintf("%d%% of memory", m.percent)
	}
	u := p.model.units
	if u.base == 0 {
		return u.each.String() + " each"
	}
	return u.base.String() + " + " + u.each.String() + " each"
}
