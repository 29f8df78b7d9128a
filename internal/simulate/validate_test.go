package simulate

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestValidate_Errors(t *testing.T) {
	type input struct {
		m       *Workload
		volumes *[]Volume
		o       *Options
	}
	for sentence, c := range map[string]struct {
		spoil func(input)
		want  string
	}{
		"a rate that is not a number": {
			func(in input) { in.m.CreatedPerMinute = math.NaN() },
			`createdPerMinute "NaN" is not a rate: give a finite number of files per minute above 0, such as 18`,
		},
		"an endless rate": {
			func(in input) { in.m.CreatedPerMinute = math.Inf(1) },
			`createdPerMinute "+Inf" is not a rate: give a finite number of files per minute above 0, such as 18`,
		},
		"a rate of nothing": {
			func(in input) { in.m.CreatedPerMinute = 0 },
			`createdPerMinute "0" is not a rate: give a finite number of files per minute above 0, such as 18`,
		},
		"a negative rate": {
			func(in input) { in.m.CreatedPerMinute = -18 },
			`createdPerMinute "-18" is not a rate: give a finite number of files per minute above 0, such as 18`,
		},
		"an empty batch": {
			func(in input) { in.m.Batch = 0 },
			`batch "0" is not a number of files from 1 to 1,000,000,000: give 1 for files that arrive one by one`,
		},
		"a batch beyond counting": {
			func(in input) { in.m.Batch = 1_000_000_001 },
			`batch "1000000001" is not a number of files from 1 to 1,000,000,000: give 1 for files that arrive one by one`,
		},
		"a negative retention": {
			func(in input) { in.m.Retention = -time.Hour },
			`retention "-1h0m0s" is negative: give the age up to which files are kept, or 0 when nothing is ever deleted`,
		},
		"a negative sweep interval": {
			func(in input) { in.m.SweepInterval = -time.Minute },
			`sweepInterval "-1m0s" is negative: give the time between two sweeps, or 0 when each file is deleted on its own`,
		},
		"files that cost nothing": {
			func(in input) { in.m.BytesPerFile = 0 },
			`bytesPerFile "0" is less than 1, and files that cost nothing fill nothing: give the file size rounded up to whole pages, such as 4096`,
		},
		"no volume": {
			func(in input) { *in.volumes = nil },
			`volumes: "0" given: give from 1 to 8`,
		},
		"more volumes than colours": {
			func(in input) {
				for i := range int64(8) {
					*in.volumes = append(*in.volumes, Volume{"more", i + 1})
				}
			},
			`volumes: "9" given: give from 1 to 8`,
		},
		"a volume of no size": {
			func(in input) { (*in.volumes)[0].Bytes = 0 },
			`volumes[0].bytes "0" is less than 1: give the size of the volume in bytes`,
		},
		"a volume without a name": {
			func(in input) { (*in.volumes)[0].Name = "" },
			`volumes[0].name "" is not a line of 1 to 63 printable characters: give a short name, such as "default"`,
		},
		"a name that would break a table": {
			func(in input) { (*in.volumes)[0].Name = "two\nlines" },
			`volumes[0].name "two\nlines" is not a line of 1 to 63 printable characters: give a short name, such as "default"`,
		},
		"a name that is not text": {
			func(in input) { (*in.volumes)[0].Name = "\xff" },
			`volumes[0].name "\xff" is not a line of 1 to 63 printable characters: give a short name, such as "default"`,
		},
		"the same volume twice": {
			func(in input) { *in.volumes = append(*in.volumes, Volume{"default 64Mi", 64 * mib}) },
			`volumes[1] "default 64Mi" is volumes[0] once more: leave it out, or give it another name`,
		},
		"no span": {
			func(in input) { in.o.Span = 0 },
			`span "0s" is not above 0 and at most 876000h0m0s: give the length of the run, such as 336h`,
		},
		"a span of centuries": {
			func(in input) { in.o.Span, in.o.Step, in.m.CreatedPerMinute = math.MaxInt64, math.MaxInt64, 1e-3 },
			`span "2562047h47m16.854775807s" is not above 0 and at most 876000h0m0s: give the length of the run, such as 336h`,
		},
		"no step": {
			func(in input) { in.o.Step = 0 },
			`step "0s" is not above 0: give the time between two samples, such as 1h`,
		},
		"more samples than anybody looks at": {
			func(in input) { in.o.Step = time.Second },
			`step "1s" makes more than 100,000 samples in a span of 336h0m0s: give a longer step or a shorter span`,
		},
		"more arrivals than a run may take": {
			func(in input) { in.m.CreatedPerMinute = 1e6 },
			`createdPerMinute "1e+06" in batches of 1 makes about 2.02e+10 arrivals in a span of 336h0m0s (volumes: 1), more than the 20,000,000 that a run may take: give a shorter span, a larger batch or fewer volumes`,
		},
		"several faults are told at once": {
			func(in input) { in.m.Batch, in.o.Step = -1, -1 },
			`batch "-1" is not a number of files from 1 to 1,000,000,000: give 1 for files that arrive one by one` + "\n" +
				`step "-1ns" is not above 0: give the time between two samples, such as 1h`,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			m, volumes, o := incident, []Volume{{"default", 64 * mib}}, Options{Span: 14 * day, Step: time.Hour}
			c.spoil(input{&m, &volumes, &o})
			curves, err := Run(m, volumes, o)
			if curves != nil || err == nil {
				t.Fatalf("got %d curves and the error %v", len(curves), err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValidate_LargerBatch(t *testing.T) {
	m := incident
	m.CreatedPerMinute = 1e9
	o := Options{Span: time.Hour, Step: time.Hour}
	if _, err := Run(m, []Volume{{"default", 64 * mib}}, o); err == nil || !strings.HasSuffix(err.Error(), "a larger batch or fewer volumes") {
		t.Errorf("a billion files a minute one by one: %v", err)
	}
	m.Batch = 1e6
	mustRun(t, m, []Volume{{"default", 64 * mib}}, o)
}
