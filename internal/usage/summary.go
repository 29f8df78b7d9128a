package usage

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Summary is what a kubelet's /stats/summary says of the Pods of its node.
type Summary struct {
	// Node is the name that the kubelet gives itself.
	Node string
	// Pods are those with a name, a namespace and a UID, in the order of the answer.
	Pods []PodSummary
	// Ignored counts volumes with figures that cannot be true: no number, negative, above 1Pi, or
	// more in use than there is.
	Ignored int
}

// PodSummary is what a kubelet says of one Pod.
type PodSummary struct {
	Namespace, Name, UID string
	Memory               PodMemory
	Volumes              []Reading
}

// The bounds of an answer. A node has at most a few hundred Pods.
const (
	mostPods       = 10_000
	mostVolumes    = 1024 // of one Pod, as the engine evaluates
	mostContainers = 256  // of one Pod, as the engine evaluates
	longestName    = 253
)

// errShape is why an answer is not read on.
var errShape = errors.New("the answer has not the form of /stats/summary")

// ReadSummary reads the answer of a kubelet's /stats/summary (k8s.io/kubelet, stats/v1alpha1, the
// same since Kubernetes 1.10). It reads what it needs of it, skips everything else, and keeps at
// most 10,000 Pods. An error says that the answer is not JSON, is cut off, or is of another form.
// The reader is the caller's to bound.
func ReadSummary(r io.Reader) (Summary, error) {
	s := Summary{}
	d := &summaryReader{Decoder: jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)), summary: &s}
	err := d.object(func(name string) error {
		switch name {
		case "node":
			return d.object(func(name string) (err error) {
				if name == "nodeName" {
					s.Node, err = d.text()
					return err
				}
				return d.SkipValue()
			})
		case "pods":
			return d.list(mostPods, d.pod)
		}
		return d.SkipValue()
	})
	if err == nil {
		if _, end := d.ReadToken(); !errors.Is(end, io.EOF) {
			err = fmt.Errorf("%w: something follows it", errShape)
		}
	}
	if err != nil {
		return Summary{}, err
	}
	return s, nil
}

// summaryReader reads a Summary token by token.
type summaryReader struct {
	*jsontext.Decoder
	summary *Summary
}

// object reads an object, or null, and calls field for each name, which reads the value.
func (d *summaryReader) object(field func(name string) error) error {
	return d.open('{', func() error {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		return field(name.String())
	})
}

// list reads a list, or null, and calls element for each of the first most elements.
func (d *summaryReader) list(most int, element func() error) error {
	n := 0
	return d.open('[', func() error {
		if n++; n > most {
			return d.SkipValue()
		}
		return element()
	})
}

func (d *summaryReader) open(kind jsontext.Kind, next func() error) error {
	token, err := d.ReadToken()
	switch {
	case err != nil:
		return err
	case token.Kind() == 'n':
		return nil
	case token.Kind() != kind:
		return fmt.Errorf("%w: at byte %d", errShape, d.InputOffset())
	}
	for {
		switch d.PeekKind() {
		case '}', ']':
			_, err := d.ReadToken()
			return err
		case jsontext.KindInvalid:
			_, err := d.ReadToken()
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if err := next(); err != nil {
			return err
		}
	}
}

// text reads a text; empty for a value of another kind, and for one that is too long for a name.
func (d *summaryReader) text() (string, error) {
	if d.PeekKind() != '"' {
		return "", d.SkipValue()
	}
	token, err := d.ReadToken()
	if err != nil {
		return "", err
	}
	if text := token.String(); len(text) <= longestName {
		return text, nil
	}
	return "", nil
}

// amount reads a whole number; -1 for a value of another kind, a fraction, and one that does not
// fit.
func (d *summaryReader) amount() (int64, error) {
	if d.PeekKind() != '0' {
		return -1, d.SkipValue()
	}
	value, err := d.ReadValue()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return -1, nil //nolint:nilerr // a lie about one figure, not the end of the answer
	}
	return n, nil
}

func (d *summaryReader) pod() error {
	p := PodSummary{}
	err := d.object(func(name string) (err error) {
		switch name {
		case "podRef":
			return d.object(func(name string) (err error) {
				switch name {
				case "name":
					p.Name, err = d.text()
				case "namespace":
					p.Namespace, err = d.text()
				case "uid":
					p.UID, err = d.text()
				default:
					err = d.SkipValue()
				}
				return err
			})
		case "memory":
			p.Memory.Pod, err = d.workingSet()
			return err
		case "containers":
			return d.list(mostContainers, func() error { return d.container(&p.Memory) })
		case "volume":
			return d.list(mostVolumes, func() error { return d.volume(&p) })
		}
		return d.SkipValue()
	})
	if err != nil || p.Name == "" || p.Namespace == "" || p.UID == "" {
		return err
	}
	for i := range p.Volumes {
		v := &p.Volumes[i]
		v.Namespace, v.Pod, v.PodUID = p.Namespace, p.Name, p.UID
	}
	d.summary.Pods = append(d.summary.Pods, p)
	return nil
}

func (d *summaryReader) container(memory *PodMemory) error {
	name, used := "", int64(0)
	err := d.object(func(field string) (err error) {
		switch field {
		case "name":
			name, err = d.text()
		case "memory":
			used, err = d.workingSet()
		default:
			err = d.SkipValue()
		}
		return err
	})
	if err == nil && name != "" && used > 0 {
		if memory.Containers == nil {
			memory.Containers = map[string]int64{}
		}
		memory.Containers[name] = used
	}
	return err
}

// workingSet reads the working set of MemoryStats; 0 if there is none that can be true.
func (d *summaryReader) workingSet() (used int64, err error) {
	err = d.object(func(name string) (err error) {
		if name != "workingSetBytes" {
			return d.SkipValue()
		}
		used, err = d.amount()
		return err
	})
	if used < 0 || used > maxFigure {
		used = 0
	}
	return used, err
}

func (d *summaryReader) volume(p *PodSummary) error {
	r := Reading{}
	r.Used, r.Capacity, r.InodesUsed = -1, -1, -1
	persistent := false
	err := d.object(func(field string) (err error) {
		switch field {
		case "name":
			r.Volume, err = d.text()
		case "time":
			var text string
			if text, err = d.text(); err == nil {
				r.Time, _ = time.Parse(time.RFC3339, text) // zero is not valid
			}
		case "usedBytes":
			r.Used, err = d.amount()
		case "capacityBytes":
			r.Capacity, err = d.amount()
		case "inodesUsed":
			r.InodesUsed, err = d.amount()
		case "inodes":
			r.Inodes, err = d.amount()
		case "pvcRef":
			persistent = d.PeekKind() == '{'
			err = d.SkipValue()
		default:
			err = d.SkipValue()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case r.Volume == "" || persistent:
	case r.Validate() != nil:
		d.summary.Ignored++
	default:
		p.Volumes = append(p.Volumes, r)
	}
	return nil
}
