package policy

import (
	"strings"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// workload identifies the workload of a Pod: its namespace, and Kind/name.
type workload struct{ namespace, name string }

// mostObserved is how many observations of a status count, as many as it may have.
const mostObserved = 20

// observe has the sizes of measured figures count for the Pods of their workloads.
func (m *model) observe(observations []v1alpha1.Observation, floor v1alpha1.ObservedFloor) {
	m.observed = map[workload]*sizing.Size{}
	for i := range observations[:min(len(observations), mostObserved)] {
		o := &observations[i]
		s, ok := m.sizeOfFiles(o)
		if !ok {
			continue
		}
		if floor != v1alpha1.ObservedFloorMin && s.Required < m.podIndependent.Required {
			continue // the declared size counts
		}
		m.observed[workload{o.Namespace, o.Workload}] = &s
	}
}

// sizeOfFiles returns the size of a files model with measured figures in place of the declared
// ones. ok is false if there is no rate, or an invalid figure: the
// declared ones then count.
func (m *model) sizeOfFiles(o *v1alpha1.Observation) (s sizing.Size, ok bool) {
	files := *m.files
	var err error
	if files.CreatedPerMinute, err = parseRate(o.CreatedPerMinute); err != nil {
		return sizing.Size{}, false
	}
	if o.FileSize != nil {
		if files.FileSize, err = fileSizeWithin(*o.FileSize); err != nil {
			return sizing.Size{}, false
		}
	}
	if o.Retention != nil {
		if files.Retention, err = parseRetention(string(*o.Retention)); err != nil {
			return sizing.Size{}, false
		}
	}
	return files.Size(m.bounds), true
}

// SizeOf returns the size that measured figures would give, whatever the policy's source says, and
// its observedFloor. Under a files model it is that of the files; under any other what was in use
// at most, with a headroom of at least 25 %. ok is false without the figures, or without sizing.
func (p Policy) SizeOf(o *v1alpha1.Observation) (s sizing.Size, ok bool) {
	switch {
	case p.orNothing().model == nil:
		return sizing.Size{}, false
	case p.model.files != nil:
		return p.model.sizeOfFiles(o)
	case o.Peak == nil || o.Peak.Sign() < 0:
		return sizing.Size{}, false
	}
	bounds := p.model.bounds
	bounds.HeadroomPercent = max(bounds.HeadroomPercent, DefaultFilesHeadroom)
	peak := sizing.Requirement{Required: sizing.BytesOf(*o.Peak), UsePercent: 100}
	if p.model.fixed != nil {
		peak.FileSize = p.model.fixed.FileSize
	}
	return peak.Size(bounds), true
}

// Recommend says what a volume of a size is, measured by the size that measured figures give: too
// small if it does not hold what is required, and wasteful if it is more than twice as large as it
// would be.
func Recommend(current sizing.Bytes, observed *sizing.Size) v1alpha1.Recommendation {
	switch {
	case current < observed.Required:
		return v1alpha1.RecommendTooSmall
	case current > observed.Limit.Times(2):
		return v1alpha1.RecommendWasteful
	default:
		return v1alpha1.RecommendRight
	}
}

// observedSize returns the size that was measured for the workload of the subject; nil if none was,
// or it does not count.
func (v *view) observedSize(m *model) *sizing.Size {
	if len(m.observed) == 0 {
		return nil
	}
	name := v.subject.Kind + "/" + v.subject.Name
	if v.subject.Pointer == "" {
		name = TopWorkloadOf(&v.subject.Pod.Metadata)
	}
	return m.observed[workload{v.subject.Namespace, name}]
}

// TopWorkloadOf returns the topmost workload of a Pod as Kind/name: its controller or, if that is the
// ReplicaSet of a Deployment or the Job of a CronJob, the Deployment or the CronJob. It goes by the
// names: a Deployment adds pod-template-hash to its own, and a CronJob the minute. A Pod without a
// controller is its own workload. (audit.WorkloadOf stops at the Job.)
func TopWorkloadOf(m *MetadataView) string {
	owner := m.Controller()
	if owner == nil {
		return "Pod/" + m.Name
	}
	switch owner.Kind {
	case "ReplicaSet":
		if hash := m.Labels["pod-template-hash"]; hash != "" {
			if name, found := strings.CutSuffix(owner.Name, "-"+hash); found && name != "" {
				return "Deployment/" + name
			}
		}
	case "Job":
		if i := strings.LastIndexByte(owner.Name, '-'); i > 0 && isMinute(owner.Name[i+1:]) {
			return "CronJob/" + owner.Name[:i]
		}
	}
	return owner.Kind + "/" + owner.Name
}

// isMinute reports whether a text is what a CronJob adds to the names of its Jobs: minutes since
// 1970, of eight digits until 2160.
func isMinute(text string) bool {
	return len(text) == 8 && strings.Trim(text, "0123456789") == ""
}
