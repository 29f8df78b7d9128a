package simulate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// made returns a run that never was, so that a reader can check each cell.
func made() []Curve {
	small := Curve{
		Volume: Volume{"default", 64 * mib}, Capacity: 16384, FirstENOSPC: 15*time.Hour + 10*time.Minute,
		Created: 60000, Refused: 40000, Deleted: 3616, Peak: 16384, PeakBytes: 64 * mib,
	}
	large := Curve{
		Volume: Volume{"computed", 897 * mib}, Capacity: 229632, FirstENOSPC: Never,
		Created: 60000, Deleted: 10000, Peak: 51234, PeakBytes: 51234 * 4096,
	}
	for _, s := range []struct {
		hours                 time.Duration
		small, large, refused int64
	}{{0, 0, 0, 0}, {12, 12960, 12960, 0}, {24, 16384, 25920, 9536}, {36, 16384, 38880, 22496}, {48, 16383, 51234, 34850}, {54, 16384, 50000, 40000}} {
		small.Samples = append(small.Samples, Sample{s.hours * time.Hour, s.small, s.small * 4096, s.refused})
		large.Samples = append(large.Samples, Sample{s.hours * time.Hour, s.large, s.large * 4096, 0})
	}
	return []Curve{small, large}
}

func TestTable_UnitsAndEnd(t *testing.T) {
	for sentence, c := range map[string]struct {
		unit Unit
		want string
	}{
		"a span of two days is told by days": {0, `
        default 64Mi                    computed 897Mi
 day     files   MiB   full  refused     files    MiB  full  refused
   0         0   0.0    0 %        0         0    0.0   0 %        0
   1    16,384  64.0  100 %    9,536    25,920  101.2  11 %        0
   2    16,383  64.0   99 %   34,850    51,234  200.1  22 %        0
2.25    16,384  64.0  100 %   40,000    50,000  195.3  21 %        0
`},
		"hours are told where they are asked for, as far as there are samples": {Hour, `
        default 64Mi                    computed 897Mi
hour     files   MiB   full  refused     files    MiB  full  refused
   0         0   0.0    0 %        0         0    0.0   0 %        0
  12    12,960  50.6   79 %        0    12,960   50.6   5 %        0
  24    16,384  64.0  100 %    9,536    25,920  101.2  11 %        0
  36    16,384  64.0  100 %   22,496    38,880  151.9  16 %        0
  48    16,383  64.0   99 %   34,850    51,234  200.1  22 %        0
  54    16,384  64.0  100 %   40,000    50,000  195.3  21 %        0
`},
	} {
		t.Run(sentence, func(t *testing.T) {
			var b strings.Builder
			if err := Table(&b, made(), c.unit); err != nil {
				t.Fatal(err)
			}
			want := strings.TrimPrefix(c.want, "\n") + `
default 64Mi: ENOSPC first after 15 h 10 min; 40,000 of 60,000 files refused
computed 897Mi: not full in 2 d 6 h; peak 51,234 files (200.1 MiB, 22 % of 897Mi)
`
			if diff := cmp.Diff(want, b.String()); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTable_LongNames(t *testing.T) {
	curves := made()[:1]
	curves[0].Volume.Name = "größe, die länger als ihre vier Spalten ist"
	curves[0].Samples = curves[0].Samples[:1]
	var b strings.Builder
	if err := Table(&b, curves, Day); err != nil {
		t.Fatal(err)
	}
	want := `       größe, die länger als ihre vier Spalten ist 64Mi
day                           files  MiB  full  refused
  0                               0  0.0   0 %        0
`
	got, _, _ := strings.Cut(b.String(), "\n\n")
	if diff := cmp.Diff(want, got+"\n"); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestTable_DigitsOfTimes(t *testing.T) {
	for sentence, c := range map[string]struct {
		at   time.Duration
		unit Unit
		want string
	}{
		"the start":                        {0, Minute, "0"},
		"a whole number of units":          {72 * time.Hour, Day, "3"},
		"a quarter":                        {54 * time.Hour, Day, "2.25"},
		"a tenth":                          {6 * time.Second, Minute, "0.10"},
		"a moment behind the start":        {120 * time.Millisecond, Minute, "0.0020"},
		"a moment behind a whole unit":     {24*time.Hour + 6*time.Millisecond, Minute, "1440.00010"},
		"a moment before a whole unit":     {59 * time.Minute, Hour, "0.98"},
		"the shortest time that there is":  {1, Minute, "0.000000000017"},
		"the longest time, and some hours": {MaxSpan - 18*time.Hour, Day, "36499.25"},
	} {
		t.Run(sentence, func(t *testing.T) {
			curves := made()[:1]
			curves[0].Samples = []Sample{{Time: c.at}}
			var b strings.Builder
			if err := Table(&b, curves, c.unit); err != nil {
				t.Fatal(err)
			}
			if got := strings.Fields(strings.Split(b.String(), "\n")[2])[0]; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSentence(t *testing.T) {
	c := made()[1]
	c.Peak, c.PeakBytes = c.Capacity, 897*mib
	want := "computed 897Mi: full at times, but no file refused; peak 229,632 files (897.0 MiB, 100 % of 897Mi)"
	if diff := cmp.Diff(want, Sentence(c)); diff != "" {
		t.Errorf("sentence (-want +got):\n%s", diff)
	}
}

func TestCSV_RowForEachSample(t *testing.T) {
	curves := made()
	for i := range curves {
		curves[i].Samples = curves[i].Samples[:3]
		curves[i].Samples[1].Time = 1500 * time.Millisecond
	}
	var b strings.Builder
	if err := CSV(&b, curves); err != nil {
		t.Fatal(err)
	}
	want := `seconds,default 64Mi files,default 64Mi bytes,default 64Mi refused,computed 897Mi files,computed 897Mi bytes,computed 897Mi refused
0,0,0,0,0,0,0
1.5,12960,53084160,0,12960,53084160,0
86400,16384,67108864,9536,25920,106168320,0
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("CSV (-want +got):\n%s", diff)
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestTable_Refuses(t *testing.T) {
	bare, shifted := made(), made()
	bare[1].Samples = nil
	shifted[1].Samples[2].Time++
	for sentence, c := range map[string]struct {
		curves []Curve
		want   string
	}{
		"no curves":                         {nil, `curves: "0" given: give what Run returns`},
		"a curve without samples":           {bare, `curves[1] "computed 897Mi" has no samples: give what Run returns`},
		"curves that are not from one run":  {shifted, `curves[1] "computed 897Mi" is not sampled at the times of "default 64Mi": give the curves of one run`},
		"a first curve without any samples": {bare[1:], `curves[0] "computed 897Mi" has no samples: give what Run returns`},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, pictureError := Picture(c.curves, "", "")
			for name, err := range map[string]error{"Table": Table(&strings.Builder{}, c.curves, 0), "CSV": CSV(&strings.Builder{}, c.curves), "Picture": pictureError} {
				if err == nil || err.Error() != c.want {
					t.Errorf("%s: got %v, want %s", name, err, c.want)
				}
			}
		})
	}
	if err := Table(&strings.Builder{}, made(), -1); err == nil || err.Error() != `unit "-1ns" is negative: give Day, Hour or Minute` {
		t.Errorf("a negative unit: %v", err)
	}
	for want, err := range map[string]error{"write the table: no space left": Table(full{}, made(), 0), "write the CSV: no space left": CSV(full{}, made())} {
		if err == nil || err.Error() != want {
			t.Errorf("a full disk: got %v, want %s", err, want)
		}
	}
}
