package top

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

var noon = time.Date(2026, 4, 18, 12, 0, 0, 0, time.UTC)

// seen returns a volume with as many files of a page in it as are given, one reading ten seconds after
// the other, in a container that is charged for nothing else.
func seen(pod string, size, limit sizing.Bytes, files ...int64) *volume {
	v := &volume{namespace: "shop", pod: pod, container: "web", Mount: inspect.Mount{Volume: "shm", Path: "/dev/shm"}, memoryLimit: limit}
	for i, n := range files {
		used := sizing.Bytes(4096 * n)
		s := sample{at: noon.Add(time.Duration(i) * 10 * time.Second), usage: inspect.Usage{Size: size, Used: used, Inodes: n, MaxInodes: 1 << 20}}
		if limit > 0 {
			s.memory = &inspect.Memory{Used: used + used/4, Limit: limit}
		}
		v.add(s)
	}
	return v
}

func TestVolume_WhenItEnds(t *testing.T) {
	const mib64 = 64 * sizing.MiB
	for name, c := range map[string]struct {
		v    *volume
		full string
		oom  oom
	}{
		"one reading":                        {seen("a", mib64, sizing.GiB, 8192), "?", oomNot},
		"ten files a second, half full":      {seen("a", mib64, sizing.GiB, 8092, 8192), "13 min 39 s", oomNot},
		"nothing comes":                      {seen("a", mib64, sizing.GiB, 8192, 8192), "-", oomNot},
		"a sweep":                            {seen("a", mib64, sizing.GiB, 8192, 100), "-", oomNot},
		"full":                               {seen("a", mib64, sizing.GiB, 16384, 16384), "full", oomNot},
		"the limit ends first":               {seen("a", 256*sizing.MiB, 256*sizing.MiB, 8192, 8292), "1 h 35 min", oomFirst},
		"no limit":                           {seen("a", mib64, 0, 8192), "?", oomNot},
		"a file in three days":               {seen("a", sizing.GiB*1024, 0, 8192, 8193), "over a year", oomNot},
		"full of empty files, without bytes": {seen("a", mib64, sizing.GiB, 1<<20), "full", oomNot},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fullText(c.v); got != c.full {
				t.Errorf("full in %q; want %q", got, c.full)
			}
			if got := c.v.oomBeforeFull(); got != c.oom {
				t.Errorf("OOM first: %q; want %q", got, c.oom)
			}
		})
	}
}

// every returns a volume of files of a page that is read every ten seconds; files says how many there are at each reading.
func every(readings int, files func(i int) int64) *volume {
	list := make([]int64, readings)
	for i := range list {
		list[i] = files(i)
	}
	return seen("a", 64*sizing.MiB, sizing.GiB, list...)
}

func TestVolume_Growth(t *testing.T) {
	for name, c := range map[string]struct {
		v    *volume
		want float64 // files a second
		off  float64
	}{
		"two readings":                       {every(2, func(i int) int64 { return int64(100 + 50*i) }), 5, 1e-9},
		"steady":                             {every(30, func(i int) int64 { return int64(100 + 30*i) }), 3, 1e-9},
		"only the last five minutes count":   {every(60, func(i int) int64 { return int64(1000 + 30*max(0, i-30)) }), 3, 1e-9},
		"what comes and goes is not growth":  {every(30, func(i int) int64 { return int64(1000 + 400*(i%2)) }), 0, 0.15}, // the ends are 400 files apart: 1.4 a second
		"emptied by somebody, and filled on": {every(20, func(i int) int64 { return map[bool]int64{true: 16384, false: int64(30 * (i - 10))}[i < 10] }), 3, 1e-9},
		"emptied just now":                   {every(11, func(i int) int64 { return map[bool]int64{true: 16384, false: 0}[i < 10] }), -16384.0 * 5 / 110 / 10, 1e-9},
	} {
		t.Run(name, func(t *testing.T) {
			bytes, files, ok := c.v.growth()
			if !ok || math.Abs(files-c.want) > c.off || math.Abs(bytes-4096*files) > 1 {
				t.Errorf("growth is %.2f files and %.0f bytes a second, %v; want %.2f files of 4096 bytes", files, bytes, ok, c.want)
			}
		})
	}
}

// Three files come every ten seconds. Whether others are deleted in between makes no difference to how many are created.
func TestVolume_Created(t *testing.T) {
	for name, c := range map[string]struct {
		v     *volume
		known bool
	}{
		"two readings":                            {every(2, func(i int) int64 { return int64(1000 + 3*i) }), false},
		"a minute, too few files to know":         {every(7, func(i int) int64 { return int64(1000 + 3*i) }), false},
		"ten minutes":                             {every(61, func(i int) int64 { return int64(1000 + 3*i) }), true},
		"half an hour, with a sweep in each five": {every(181, func(i int) int64 { return int64(1000 + 3*(i%30)) }), true},
		"half an hour, in which nothing comes":    {every(181, func(int) int64 { return 1000 }), false},
	} {
		t.Run(name, func(t *testing.T) {
			perMinute, percent, ok := c.v.created()
			if ok != c.known || ok && (math.Abs(perMinute-18) > 1.8 || percent > 25) {
				t.Errorf("got %.2f files a minute ±%d %%, %v; want 18, %v", perMinute, percent, ok, c.known)
			}
		})
	}
}

func TestByUrgency(t *testing.T) {
	unread := seen("unread", 0, 0)
	unread.err = errors.New("no")
	list := []*volume{
		unread, seen("idle", 64*sizing.MiB, sizing.GiB, 1, 1), seen("fuller", 64*sizing.MiB, sizing.GiB, 5000, 5000),
		seen("slow", 64*sizing.MiB, sizing.GiB, 8000, 8010), seen("fast", 64*sizing.MiB, sizing.GiB, 100, 1000),
		seen("full", 64*sizing.MiB, sizing.GiB, 16384, 16384), seen("killed", 256*sizing.MiB, 256*sizing.MiB, 30000, 30400),
	}
	slices.SortFunc(list, byUrgency)
	var got []string
	for _, v := range list {
		got = append(got, v.pod)
	}
	if diff := cmp.Diff([]string{"full", "fast", "killed", "slow", "fuller", "idle", "unread"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestVolume_KeepsTheLastReadings(t *testing.T) {
	v := seen("a", 64*sizing.MiB, 0, 1)
	for i := range 100 {
		v.add(sample{at: noon.Add(time.Duration(i) * time.Second)})
	}
	if len(v.samples) != maxSamples || !v.last().at.Equal(noon.Add(99*time.Second)) {
		t.Errorf("there are %d readings, the last one of %s", len(v.samples), v.last().at)
	}
}

func TestWrite(t *testing.T) {
	unread := seen("cart-0", 0, 0)
	unread.err = errors.New(`container "web" of Pod shop/cart-0: the container cannot run a shell: "no such file"`)
	own := seen("web-1", 64*sizing.MiB, sizing.GiB, 0, 0)
	own.Volume = ""
	scan := &scanner{cluster: &live.Cluster{Namespace: "shop"}, volumes: map[key]*volume{
		{"1", "shm"}: seen("web-0", 64*sizing.MiB, 256*sizing.MiB, 8092, 8192), {"2", "shm"}: unread, {"3", ""}: own,
	}}
	for format, want := range map[string]string{
		"table": "POD    VOLUME    USED    SIZE  USE%  FILES      GROWTH      FULL IN    LIMIT  OOM FIRST\n" +
			"web-0  shm     32.0Mi  64.0Mi  50 %  8,192  +2.3Mi/min  13 min 39 s  256.0Mi  no\n" +
			"1 Pod with nothing in the runtime's own /dev/shm left out: --all shows them\n",
		"csv": "namespace,pod,volume,mountpath,container,sizebytes,usedbytes,files,growthbytespersecond,growthfilespersecond,createdperminute,ratepercent,fullinseconds,memorylimitbytes,memoryusedbytes,oombeforefull,error\n" +
			"shop,web-0,shm,/dev/shm,web,67108864,33554432,8192,40960.000,10.000,,,819,268435456,41943040,false,\n" +
			"shop,web-1,,/dev/shm,web,67108864,0,0,0.000,0.000,,,,1073741824,0,false,\n" +
			"shop,cart-0,shm,/dev/shm,web,,,,,,,,,,,,\"container \"\"web\"\" of Pod shop/cart-0: the container cannot run a shell: \"\"no such file\"\"\"\n",
	} {
		var out, errOut bytes.Buffer
		o := options{}
		o.output.Value = format
		if err := o.write(cli.Streams{Out: &out, ErrOut: &errOut}, scan); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
		if format == "table" && !strings.HasPrefix(errOut.String(), `could not be read: shop/cart-0 /dev/shm: the container cannot run a shell: `) {
			t.Errorf("standard error is %q", errOut.String())
		}
	}
}
