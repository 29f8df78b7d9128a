package webhook

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shmkeeper/shmkeeper/policy"
)

// gate counts those who come to it, and holds them until it opens.
type gate struct {
	came atomic.Int32
	open chan struct{}
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) pass() {
	g.came.Add(1)
	<-g.open
}

// Read makes a gate the body of a request that is empty, but for a long time does not end.
func (g *gate) Read([]byte) (int, error) {
	g.pass()
	return 0, io.EOF
}

// check sends requests at once, and fails unless as many as want come to the gate and the others are
// answered after five seconds. When the gate is open there is room again. It runs in a bubble of synctest.
func (g *gate) check(t *testing.T, sent, want int32, send func(i int32) (status int)) {
	t.Helper()
	var answered, turnedAway atomic.Int32
	ask := func(i int32) {
		if send(i) == http.StatusTooManyRequests {
			turnedAway.Add(1)
		}
		answered.Add(1)
	}
	for i := range sent {
		go ask(i)
	}
	time.Sleep(5*time.Second - time.Nanosecond)
	synctest.Wait()
	if came := g.came.Load(); came != want {
		t.Errorf("%d of %d requests are served at a time, want %d", came, sent, want)
	}
	if n := answered.Load(); n > 0 {
		t.Errorf("%d requests are answered in less than 5 s, want 0", n)
	}
	time.Sleep(time.Nanosecond)
	synctest.Wait()
	if n, others := turnedAway.Load(), sent-want; n != others {
		t.Errorf("%d requests are answered 429 after 5 s, want %d", n, others)
	}
	close(g.open)
	synctest.Wait()
	before := turnedAway.Load()
	for i := range want {
		go ask(i)
	}
	synctest.Wait()
	if n := answered.Load(); n != sent+want || turnedAway.Load() != before {
		t.Errorf("%d requests are answered when there is room again, %d of them 429, want %d and %d",
			n, turnedAway.Load(), sent+want, before)
	}
}

// The memory for bodies is bounded, for all webhooks together. What a request does not say about its
// length is taken to be the most.
func TestServe_BoundsBodiesInMemory(t *testing.T) {
	for name, c := range map[string]struct {
		length     int64 // as the header says it; -1 if it does not
		sent, want int32
	}{
		"of 64 KiB":            {64 << 10, 150, 150},
		"of 64 KiB and a byte": {64<<10 + 1, 150, 127}, // 8 MiB
		"of 1 MiB":             {1 << 20, 12, 8},
		"of 1 MiB and a byte":  {1<<20 + 1, 12, 1},
		"without a length":     {-1, 12, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handlers := Handlers(options(t, fixed))
				paths := slices.Sorted(maps.Keys(handlers))
				body := newGate()
				body.check(t, c.sent, c.want, func(i int32) int {
					r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
					r.Header.Set("Content-Type", "application/json")
					r.ContentLength = c.length
					w := httptest.NewRecorder()
					handlers[paths[int(i)%len(paths)]].ServeHTTP(w, r)
					return w.Code
				})
			})
		})
	}
}

// busyCluster evaluates nothing before its gate opens.
type busyCluster struct {
	fakeCluster
	gate *gate
}

func (c busyCluster) Policies() policy.Set {
	c.gate.pass()
	return c.set
}

// Few requests are decoded and evaluated at a time, and by the full decoder, which needs much more
// memory, no more than one.
func TestServe_BoundsRequestsAtWork(t *testing.T) {
	review := reviewOf(t, podKind, "enforce", []byte(`{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web"}]}}`), nil)
	paths := []string{PathMutatePods, PathEnforcePods, PathReportPods}
	for name, c := range map[string]struct {
		body []byte
		want int32
	}{
		"a review as an API server writes it": {review, 8},
		"one for the full decoder":            {bytes.Replace(review, []byte("admission.k8s.io/v1"), []byte("admission.k8s.io/v1beta1"), 1), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := options(t, fixed)
				busy := busyCluster{fakeCluster{set: o.Cluster.Policies()}, newGate()}
				o.Cluster = busy
				handlers := Handlers(o)
				busy.gate.check(t, 30, c.want, func(i int32) int {
					return post(t, handlers[paths[int(i)%len(paths)]], c.body).Code
				})
			})
		})
	}
}

// A small request takes no room, so it must not hold a buffer that a large one has left, nor one that
// grew further than its body needs.
func TestServe_SmallRequestsHoldSmallBuffers(t *testing.T) {
	const most = 96 << 10
	for name, c := range map[string]struct{ body, patch, reply int }{
		"a body":             {body: most + 1},
		"a patch":            {patch: most + 1},
		"a reply":            {reply: most + 1},
		"all three together": {most/3 + 1, most/3 + 1, most/3 + 1},
	} {
		var freed []any
		for range 8 {
			e := &exchange{patch: make([]byte, c.patch), reply: make([]byte, c.reply)}
			e.body.Grow(c.body)
			e.free()
			freed = append(freed, e)
		}
		kept := 0
		for range 2 * len(freed) {
			if slices.Contains(freed, exchanges.Get()) {
				kept++
			}
		}
		if kept > 0 {
			t.Errorf("%d of %d exchanges with %s of more than %d bytes are kept, want 0", kept, len(freed), name, most)
		}
	}

	e := &exchange{patch: make([]byte, 0, most/2), reply: make([]byte, 0, most/2-1)} // of one that was kept
	for _, size := range []int{60 << 10, 64 << 10} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(strings.Repeat(" ", size)))
		if err := e.read(httptest.NewRecorder(), r); err != nil || e.body.Len() != size {
			t.Fatalf("%d of %d bytes are read: %v", e.body.Len(), size, err)
		}
		if held := e.body.Cap() + cap(e.patch) + cap(e.reply); held > most {
			t.Errorf("with a body of %d bytes %d are held, want at most %d", size, held, most)
		}
	}
}
