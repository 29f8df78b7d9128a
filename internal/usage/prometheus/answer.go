package prometheus

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/shmkeeper/shmkeeper/internal/usage"
)

// stream is one series of an answer.
type stream struct {
	metric  map[string]string
	samples []point
}

type point struct {
	millis int64
	value  float64
}

// mostStreams bounds how many series of an answer are read.
const mostStreams = 200_000

// readAnswer reads an answer of the API of Prometheus as a stream, one series after the other.
// failure is what Prometheus says of an error of its own.
func readAnswer(r io.Reader, each func(*stream)) (failure string, err error) {
	d := jsontext.NewDecoder(r, jsontext.AllowInvalidUTF8(true))
	n := 0
	err = object(d, func(name string) error {
		switch name {
		case "error":
			text, err := textOf(d)
			failure = fmt.Sprintf("%.300q", text)
			return err
		case "data":
			return object(d, func(name string) error {
				if name != "result" || d.PeekKind() != '[' {
					return d.SkipValue()
				}
				if _, err := d.ReadToken(); err != nil {
					return err
				}
				for d.PeekKind() != ']' {
					if n++; n > mostStreams {
						return fmt.Errorf("it has more than %d series", mostStreams)
					}
					s, err := readStream(d)
					if err != nil {
						return err
					}
					each(s)
				}
				_, err := d.ReadToken()
				return err
			})
		}
		return d.SkipValue()
	})
	return failure, err
}

// object reads an object, and calls field for each name, which reads the value.
func object(d *jsontext.Decoder, field func(name string) error) error {
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != '{' {
		return errNotAnswer
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		if err := field(name.String()); err != nil {
			return err
		}
	}
	_, err = d.ReadToken()
	return err
}

func textOf(d *jsontext.Decoder) (string, error) {
	if d.PeekKind() != '"' {
		return "", d.SkipValue()
	}
	token, err := d.ReadToken()
	if err != nil {
		return "", err
	}
	return token.String(), nil
}

func readStream(d *jsontext.Decoder) (*stream, error) {
	value, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	var raw struct {
		Metric map[string]string
		Value  *[2]json.RawMessage
		Values [][2]json.RawMessage
	}
	if err := json.Unmarshal(value, &raw); err != nil {
		return nil, errNotAnswer
	}
	if raw.Value != nil {
		raw.Values = append(raw.Values, *raw.Value)
	}
	s := &stream{metric: raw.Metric, samples: make([]point, 0, len(raw.Values))}
	for _, pair := range raw.Values {
		seconds, err := strconv.ParseFloat(string(pair[0]), 64)
		if err != nil || !(seconds > 0 && seconds < 1e11) {
			continue
		}
		var text string
		if json.Unmarshal(pair[1], &text) != nil {
			continue
		}
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			s.samples = append(s.samples, point{millis: int64(seconds * 1000), value: v})
		}
	}
	return s, nil
}

// readings returns the samples of which everything is known, each volume's in their order.
func (v volumes) readings() []usage.Reading {
	var out []usage.Reading
	keys := slices.SortedFunc(maps.Keys(v), func(a, b usage.VolumeKey) int {
		return cmp.Or(cmp.Compare(a.PodUID, b.PodUID), cmp.Compare(a.Volume, b.Volume))
	})
	for _, key := range keys {
		for _, millis := range slices.Sorted(maps.Keys(v[key])) {
			f := v[key][millis]
			size, ok1 := figure(f.size)
			avail, ok2 := figure(f.avail)
			files, ok3 := figure(f.files)
			free, ok4 := figure(f.filesFree)
			r := usage.Reading{VolumeKey: key, Sample: usage.Sample{
				Time: time.UnixMilli(millis).UTC(), Used: size - avail, Capacity: size, InodesUsed: files - free, Inodes: files,
			}}
			if ok1 && ok2 && ok3 && ok4 && r.Validate() == nil {
				out = append(out, r)
			}
		}
	}
	return out
}
