package policy

import (
	"encoding/json"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// injectedNote is the annotation shmkeeper.dev/injected, which says what a mutation changed. It
// is for people: nothing that is decided reads it.
type injectedNote struct {
	Policy string `json:"policy"`
	// Volume is the one that was added, with its size.
	Volume    string `json:"volume,omitempty"`
	SizeLimit string `json:"sizeLimit,omitempty"`
	// Resized are the size limits that were changed, by volume.
	Resized map[string]*fromTo `json:"resized,omitempty"`
	// Limits and Requests are the memory that was changed, by container.
	Limits   map[string]*fromTo `json:"limits,omitempty"`
	Requests map[string]*fromTo `json:"requests,omitempty"`
	// Pod is the pod-level memory.
	Pod *podNote `json:"pod,omitempty"`
}

type podNote struct {
	Limit   *fromTo `json:"limit,omitempty"`
	Request *fromTo `json:"request,omitempty"`
}

// fromTo are quantities; From is empty if there was none.
type fromTo struct {
	From string `json:"from,omitempty"`
	To   string `json:"to"`
}

// mostNoted bounds each list of the annotation.
const mostNoted = 16

func (p *Plan) injected() string {
	note := injectedNote{Policy: p.policy.name}
	if p.volume != nil {
		note.Volume, note.SizeLimit = p.volume.name, p.volume.size.Quantity().String()
	}
	for _, r := range p.resizes {
		noteChange(&note.Resized, r.name, changeOf(r.from, r.to, r.from > 0))
	}
	for i := range p.memory {
		c := &p.memory[i]
		var limit, request *fromTo
		if c.limitChanges() {
			limit = changeOf(c.from.limit, c.to.limit, true)
		}
		if c.requestChanges() {
			request = changeOf(c.from.request, c.to.request, c.from.namesRequest)
		}
		if c.container == nil {
			note.Pod = &podNote{limit, request}
			continue
		}
		noteChange(&note.Limits, c.container.name, limit)
		noteChange(&note.Requests, c.container.name, request)
	}
	text, err := json.Marshal(note)
	if err != nil {
		return "" // strings always have a JSON form
	}
	return string(text)
}

func changeOf(from, to sizing.Bytes, was bool) *fromTo {
	change := &fromTo{To: to.Quantity().String()}
	if was {
		change.From = from.Quantity().String()
	}
	return change
}

// noteChange adds a change to a list, if there is one.
func noteChange(list *map[string]*fromTo, name string, change *fromTo) {
	if change == nil || len(*list) == mostNoted {
		return
	}
	if *list == nil {
		*list = map[string]*fromTo{}
	}
	(*list)[shorten(name)] = change
}
