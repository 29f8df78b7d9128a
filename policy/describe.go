package policy

import (
	"strconv"
	"strings"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// reason returns the most conspicuous of what a plan changes.
func (p *Plan) reason() Reason {
	switch {
	case p.volume != nil:
		return AddVolume
	case len(p.resizes) > 0:
		return ResizeVolume
	default:
		return RaiseMemory
	}
}

// sentence is a text in the making. Each mutated Pod gets one, so it costs no more than its
// bytes.
type sentence struct{ strings.Builder }

func (s *sentence) text(text string)         { s.WriteString(text) }
func (s *sentence) size(size sizing.Bytes)   { s.Write(size.Append(make([]byte, 0, 16))) }
func (s *sentence) number(n int)             { s.WriteString(strconv.Itoa(n)) }
func (s *sentence) fromTo(a, b sizing.Bytes) { s.text(" from "); s.size(a); s.text(" to "); s.size(b) }

func (s *sentence) name(name string) {
	if len(name) > longestQuoted {
		s.text(quote(name))
		return
	}
	s.Write(strconv.AppendQuote(make([]byte, 0, longestQuoted+2), name))
}

// changes lists n changes, the first few of many: how many more there are stands between two texts.
func (s *sentence) changes(n int, before, after string, describe func(i int)) {
	for i := range n {
		if s.Len() > 0 {
			s.text(", ")
		}
		if i == mostNoted {
			s.text(before)
			s.number(n - i)
			s.text(after)
			return
		}
		describe(i)
	}
}

// describe says in a sentence what a plan changes. v is the Pod as it is.
func (v *view) describe(p *Plan) string {
	var s sentence
	s.Grow(256)
	if p.volume != nil {
		s.text("adds a Memory emptyDir of ")
		s.size(p.volume.size)
		s.text(" and mounts it at ")
		s.text(v.policy.mountPath)
		s.text(" in ")
		for i := range p.mounts {
			if i == mostQuoted {
				s.text(" and ")
				s.number(len(p.mounts) - i)
				s.text(" more")
				break
			}
			if i > 0 {
				s.text(", ")
			}
			s.name(p.mounts[i].name)
		}
	}
	s.changes(len(p.resizes), "and of ", " more volumes", func(i int) { v.describeResize(&s, &p.resizes[i]) })
	s.changes(len(p.memory), "and the memory of ", " more containers", func(i int) { p.memory[i].describe(&s) })
	return s.String()
}

// describeResize says how large a volume was and will be.
func (v *view) describeResize(s *sentence, r *resize) {
	s.text("changes the sizeLimit of volume ")
	s.name(r.name)
	if r.from > 0 {
		s.fromTo(r.from, r.to)
		return
	}
	s.text(" from none, which was up to ")
	if bound := v.mounted(0); bound < sizing.MaxBytes {
		s.size(bound)
	} else {
		s.text("what the node can allocate")
	}
	s.text(", to ")
	s.size(r.to)
}

// describe says what happens to a container's memory, or the Pod's.
func (c *memoryChange) describe(s *sentence) {
	whose := func() {
		if c.container == nil {
			s.text("the Pod")
			return
		}
		s.name(c.container.name)
	}
	if !c.limitChanges() {
		if c.from.namesRequest {
			s.text("raises the memory request of ")
			whose()
			s.fromTo(c.from.request, c.to.request)
			return
		}
		s.text("sets the memory request of ")
		whose()
		s.text(" to ")
		s.size(c.to.request)
		return
	}
	s.text("raises the memory limit of ")
	whose()
	s.fromTo(c.from.limit, c.to.limit)
	switch {
	case !c.requestChanges():
	case c.from.namesRequest:
		s.text(" and its request")
		s.fromTo(c.from.request, c.to.request)
	default:
		s.text(" and makes its request ")
		s.size(c.to.request)
	}
}
