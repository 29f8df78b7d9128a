package podtemplate

import (
	"slices"
	"strconv"
	"strings"
)

// place is where the walk is: the last step of a path, and the place before it. The object itself
// is at nil.
type place struct {
	up     *place
	key    string // of a map's field
	listed bool   // an item of a list, and not a field
	depth  int
	length int // of the pointer, at least
}

func (p *place) field(key string) *place {
	next := &place{up: p, key: key, depth: 1, length: len(key) + 1}
	if p != nil {
		next.depth, next.length = p.depth+1, p.length+len(key)+1
	}
	return next
}

func (p *place) item(index int) *place {
	next := p.field(strconv.Itoa(index))
	next.listed = true
	return next
}

// name returns the key that leads to a place, without indexes.
func (p *place) name() string {
	for ; p != nil; p = p.up {
		if !p.listed {
			return p.key
		}
	}
	return ""
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

// pointer returns the JSON pointer of RFC 6901.
func (p *place) pointer() string {
	var steps []string
	for ; p != nil; p = p.up {
		steps = append(steps, escaper.Replace(p.key), "/")
	}
	slices.Reverse(steps)
	return strings.Join(steps, "")
}
