package usage_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/internal/usage"
)

const podRef = `"podRef":{"name":"p","namespace":"n","uid":"u"}`

func volume(more string) string {
	return `{"node":{"nodeName":"node-1"},"pods":[{` + podRef + `,"volume":[{"name":"shm","time":"2026-04-18T00:00:00Z",` + more + `}]}]}`
}

func TestReadSummary(t *testing.T) {
	want := usage.Reading{
		Namespace: "n", Pod: "p", VolumeKey: usage.VolumeKey{PodUID: "u", Volume: "shm"},
		Sample: usage.Sample{Time: began, Used: 4096, Capacity: 67108864, InodesUsed: 2, Inodes: 100},
	}
	good := `"availableBytes":1,"capacityBytes":67108864,"usedBytes":4096,"inodesFree":98,"inodes":100,"inodesUsed":2`
	for name, tc := range map[string]struct {
		text    string
		volumes []usage.Reading
		ignored int
	}{
		"a volume":                             {text: volume(good), volumes: []usage.Reading{want}},
		"a claim":                              {text: volume(good + `,"pvcRef":{"name":"c","namespace":"n"}`)},
		"a claim that is null":                 {text: volume(good + `,"pvcRef":null`), volumes: []usage.Reading{want}},
		"what it has not got":                  {text: volume(`"capacityBytes":67108864`), ignored: 1},
		"a negative figure":                    {text: volume(strings.Replace(good, "4096", "-4096", 1)), ignored: 1},
		"a huge figure":                        {text: volume(strings.Replace(good, "67108864", "18446744073709551615", 1)), ignored: 1},
		"a figure of a thousand digits":        {text: volume(strings.Replace(good, "67108864", strings.Repeat("9", 1000), 1)), ignored: 1},
		"a fraction":                           {text: volume(strings.Replace(good, "4096", "4096.5", 1)), ignored: 1},
		"an exponent":                          {text: volume(strings.Replace(good, "4096", "1e999999999", 1)), ignored: 1},
		"a text":                               {text: volume(strings.Replace(good, "4096", `"4096"`, 1)), ignored: 1},
		"null":                                 {text: volume(strings.Replace(good, "4096", "null", 1)), ignored: 1},
		"more used than there is":              {text: volume(strings.Replace(good, "4096", "67300000", 1)), ignored: 1},
		"a page more used than there is":       {text: volume(strings.Replace(good, "4096", "67112960", 1)), volumes: []usage.Reading{{Namespace: "n", Pod: "p", VolumeKey: want.VolumeKey, Sample: usage.Sample{Time: began, Used: 67112960, Capacity: 67108864, InodesUsed: 2, Inodes: 100}}}},
		"no time":                              {text: strings.Replace(volume(good), "2026-04-18T00:00:00Z", "yesterday", 1), ignored: 1},
		"no name":                              {text: strings.Replace(volume(good), `"shm"`, `""`, 1)},
		"a Pod without a UID":                  {text: strings.Replace(volume(good), `"u"`, `""`, 1)},
		"a UID that is too long":               {text: strings.Replace(volume(good), `"u"`, `"`+strings.Repeat("u", 300)+`"`, 1)},
		"lists that are null":                  {text: `{"pods":[{` + podRef + `,"volume":null,"containers":null,"memory":null}]}`},
		"nothing":                              {text: `{}`},
		"null instead of an answer":            {text: `null`},
		"fields that nobody knows":             {text: strings.Replace(volume(good), `"time"`, `"new":{"deep":[{"a":[1,2,{"b":null}]}]},"time"`, 1), volumes: []usage.Reading{want}},
		"a Pod that comes after its own lists": {text: `{"pods":[{"volume":[{"name":"shm","time":"2026-04-18T00:00:00Z",` + good + `}],` + podRef + `}]}`, volumes: []usage.Reading{want}},
	} {
		s, err := usage.ReadSummary(strings.NewReader(tc.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []usage.Reading
		for _, p := range s.Pods {
			got = append(got, p.Volumes...)
		}
		if diff := cmp.Diff(tc.volumes, got); diff != "" || s.Ignored != tc.ignored {
			t.Errorf("%s: %d ignored; want %d (-want +got):\n%s", name, s.Ignored, tc.ignored, diff)
		}
	}
}

func TestReadSummary_Memory(t *testing.T) {
	s, err := usage.ReadSummary(strings.NewReader(`{"pods":[{` + podRef + `,"memory":{"time":"x","usageBytes":9,"workingSetBytes":7},"containers":[
		{"name":"a","memory":{"workingSetBytes":5}},{"name":"b","memory":{"workingSetBytes":-5}},{"name":"c"},{"memory":{"workingSetBytes":5}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(usage.PodMemory{Pod: 7, Containers: map[string]int64{"a": 5}}, s.Pods[0].Memory); diff != "" {
		t.Errorf("the memory (-want +got):\n%s", diff)
	}
}

func TestReadSummary_Rejects(t *testing.T) {
	whole := volume(`"capacityBytes":67108864,"usedBytes":4096,"inodesUsed":2`)
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "<html>", "a list": "[]", "a number": "7", "NaN": strings.Replace(whole, "4096", "NaN", 1),
		"two answers": "{}{}", "Pods in an object": `{"pods":{}}`, "a list for an object": `{"pods":[{"podRef":[]}]}`,
		"deeper than anything": strings.Repeat(`{"pods":[`, 200_000),
	} {
		if s, err := usage.ReadSummary(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %+v; want an error", name, s)
		}
	}
	for i := range len(whole) {
		if _, err := usage.ReadSummary(strings.NewReader(whole[:i])); err == nil {
			t.Fatalf("cut after byte %d: no error", i)
		}
	}
	broken := errors.New("the connection is gone")
	if _, err := usage.ReadSummary(io.MultiReader(strings.NewReader(whole[:90]), &failing{broken})); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v; want its error", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// The answer has a bound of its own: what a kubelet adds beyond it is skipped.
func TestReadSummary_ManyPods(t *testing.T) {
	var text strings.Builder
	text.WriteString(`{"pods":[`)
	for i := range 12_000 {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"podRef":{"name":"p%d","namespace":"n","uid":"u%d"}}`, i, i)
	}
	text.WriteString(`]}`)
	s, err := usage.ReadSummary(strings.NewReader(text.String()))
	if err != nil || len(s.Pods) != 10_000 {
		t.Errorf("%d Pods, %v; want 10000", len(s.Pods), err)
	}
}

func FuzzReadSummary(f *testing.F) {
	f.Add([]byte(volume(`"capacityBytes":67108864,"usedBytes":4096,"inodesUsed":2`)))
	f.Add([]byte(`{"pods":[{"podRef":{},"volume":[{}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := usage.ReadSummary(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		for _, p := range s.Pods {
			series := usage.NewSeries(time.Time{}, 0)
			for _, v := range p.Volumes {
				if err := v.Validate(); err != nil {
					t.Fatalf("%+v: %v", v, err)
				}
				series.Add(v.Sample)
			}
			series.Forecast(usage.Outlook{})
		}
	})
}

// The answers of Kubernetes 1.30 to 1.37, with every field that these versions have.
// testdata/summaries.go has written them by the types of k8s.io/kubelet of each version.
func TestReadSummary_EachKubernetes(t *testing.T) {
	for minor := 30; minor <= 37; minor++ {
		name := fmt.Sprintf("testdata/summary-1.%d.json", minor)
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := usage.ReadSummary(f)
		_ = f.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		const uid = "5f3a9c6d-0000-4000-8000-000000000001"
		want := usage.Summary{Node: "node-1", Pods: []usage.PodSummary{{
			Namespace: "apps", Name: "outpost-587598dc4b-x", UID: uid,
			Memory: usage.PodMemory{Pod: 300 * mib, Containers: map[string]int64{"proxy": 290 * mib}},
			Volumes: []usage.Reading{{
				Namespace: "apps", Pod: "outpost-587598dc4b-x", VolumeKey: usage.VolumeKey{PodUID: uid, Volume: "shmkeeper-shm"},
				Sample: usage.Sample{Time: began.Add(12 * time.Hour), Used: 197 * mib, Capacity: 897 * mib, InodesUsed: 50433, Inodes: 2000000},
			}},
		}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
