package policy

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// record is the annotation shmkeeper.dev/injected: what a mutation added, so that
// a second pass adds nothing. A tenant can write it too. A false one keeps memory
// from being raised, and no more: a share of memory is taken without at most what the
// volume costs that is really there, and the one check that reads it, that of quotas,
// refuses only what the API server refuses by itself.
type record struct {
	Policy    string            `json:"policy"`
	Volume    string            `json:"volume"`
	SizeLimit resource.Quantity `json:"sizeLimit"`
	// Memory is by the names of the containers.
	Memory map[string]entry `json:"memory,omitempty"`
	Pod    entry            `json:"pod,omitzero"`
}

// entry is what a mutation did to one limit and request, in bytes.
type entry struct {
	// Limit and Request are what the mutation left.
	Limit   Bytes `json:"limit"`
	Request Bytes `json:"request,omitempty"`
	// LimitAdded is the part of Limit that the mutation added.
	LimitAdded Bytes `json:"limitAdded,omitempty"`
	// RequestAdded is the same of Request.
	RequestAdded Bytes `json:"requestAdded,omitempty"`
	// Charge is what Limit counts for the volume, whoever added it.
	Charge Bytes `json:"charge"`
}

// countsLimit says whether the limit still has in it what the entry is about. One
// that was lowered since (by a vertical autoscaler, say) has not; one that was
// raised further has.
func (e entry) countsLimit(m *memoryState) bool { return e.Limit > 0 && m.limit >= e.Limit }

// countsRequest says the same of the request.
func (e entry) countsRequest(m *memoryState) bool {
	return e.Limit > 0 && m.hasRequest && m.request >= e.Request
}

// longestRecord bounds the annotation that is read: what a mutation writes for a
// Pod of a hundred containers is shorter.
const longestRecord = 32 << 10

// readRecord reads the annotation. One that is absent, malformed or impossible is
// as none.
func readRecord(annotations map[string]string) record {
	text := annotations[v1alpha1.AnnotationInjected]
	if text == "" || len(text) > longestRecord {
		return record{}
	}
	var r record
	if json.Unmarshal([]byte(text), &r) != nil || !r.Pod.possible() {
		return record{}
	}
	for _, e := range r.Memory {
		if !e.possible() {
			return record{}
		}
	}
	return r
}

func (e entry) possible() bool {
	return e.Limit >= 0 && e.Request >= 0 && e.LimitAdded >= 0 && e.RequestAdded >= 0 && e.Charge >= 0 &&
		e.LimitAdded <= e.Limit && e.RequestAdded <= e.Request
}

// text is the annotation.
func (r *record) text() string {
	out, err := json.Marshal(r)
	if err != nil {
		// Strings, integers and a quantity always have a JSON form.
		return ""
	}
	return string(out)
}
