package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/semaphore"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const (
	// mostBody is the largest body in bytes that is read. An API server takes no object from a client
	// above 3 MiB (MaxRequestBodyBytes in k8s.io/apiserver, pkg/server/config.go), a review of
	// an update has two, and the rest of it is taken to be less than 1 MiB, as controller-runtime does
	// (pkg/webhook/admission/http.go).
	mostBody = 2*(3<<20) + 1<<20
	// mostFullyDecoded is the largest body in bytes that the full decoder reads. It needs up to a
	// hundred times as much memory.
	mostFullyDecoded = 128 << 10

	// smallBody and mediumBody divide bodies by their size in bytes. Reviews of ordinary Pods are
	// small, and wait for nobody. Of the others, no more are in memory at a time than together make
	// up mostMedium and mostBody.
	smallBody  = 64 << 10
	mediumBody = 1 << 20
	mostMedium = 8 << 20

	// mostAtWork is how many requests are decoded and evaluated at a time.
	mostAtWork = 8
	// longestWait is how long a request waits for others to free memory.
	longestWait = 5 * time.Second
	// mostKept is the most bytes that are kept for another request. That may be a small one, which
	// waits for nobody however many there are, so it is hardly more than a small one needs.
	mostKept = 96 << 10
)

// limits bounds the memory that requests take together.
type limits struct {
	// medium and large have room for bodies, in bytes.
	medium, large *semaphore.Weighted
	// fast and full have room for requests that are being decoded and evaluated. That is nothing but
	// work for a processor, so more of them at a time would not be answered sooner.
	fast, full *semaphore.Weighted
}

func newLimits() *limits {
	return &limits{
		medium: semaphore.NewWeighted(mostMedium), large: semaphore.NewWeighted(mostBody),
		fast: semaphore.NewWeighted(mostAtWork), full: semaphore.NewWeighted(1),
	}
}

// forBody returns where a body takes room, and how much; nil for a small one.
func (l *limits) forBody(size int64) (*semaphore.Weighted, int64) {
	switch {
	case size <= smallBody:
		return nil, 0
	case size <= mediumBody:
		return l.medium, size
	default: // one at a time
		return l.large, mostBody
	}
}

// take waits until there is room.
func take(ctx context.Context, room *semaphore.Weighted, weight int64) error {
	if room.TryAcquire(weight) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	return room.Acquire(ctx, weight)
}

// exchange is what one request needs, and the next can use again.
type exchange struct {
	cursor       cursor
	body         bytes.Buffer
	patch, reply []byte
}

var exchanges = sync.Pool{New: func() any { return &exchange{} }}

func (e *exchange) free() {
	if e.body.Cap()+cap(e.patch)+cap(e.reply) <= mostKept && cap(e.cursor.names) <= mostElements {
		exchanges.Put(e)
	}
}

// httpHandler answers the requests of an API server. It reads a review in one pass; one that the
// fast decoder declines goes to full.
type httpHandler struct {
	*handler
	limits *limits
	full   *admission.Webhook
}

func newHTTPHandler(h *handler, l *limits) *httpHandler {
	return &httpHandler{handler: h, limits: l, full: &admission.Webhook{
		Handler: h,
		LogConstructor: func(base logr.Logger, req *admission.Request) logr.Logger {
			if req == nil { // what it logs then is as long as the body, and the client is told the same
				return logr.Discard()
			}
			return base
		},
	}}
}

func (h *httpHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status, problem := unacceptable(r); problem != "" {
		http.Error(w, problem, status)
		return
	}
	size := r.ContentLength
	if size < 0 {
		size = mostBody
	}
	if room, weight := h.limits.forBody(size); room != nil {
		if take(r.Context(), room, weight) != nil {
			tooMany(w)
			return
		}
		defer room.Release(weight)
	}
	e, ok := exchanges.Get().(*exchange)
	if !ok {
		e = &exchange{}
	}
	defer e.free()
	if err := e.read(w, r); err != nil {
		status := http.StatusBadRequest
		if errors.As(err, new(*http.MaxBytesError)) {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, bounded(fmt.Sprintf("read the request: %v", err)), status)
		return
	}
	h.serve(w, r, e)
}

func tooMany(w http.ResponseWriter) {
	http.Error(w, "too many requests at a time: try again", http.StatusTooManyRequests)
}

// unacceptable returns what is wrong with a request before its body is read.
func unacceptable(r *http.Request) (status int, problem string) {
	switch {
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed, "the method is not POST: send an AdmissionReview"
	case r.Header.Get("Content-Type") != "application/json":
		return http.StatusUnsupportedMediaType, "the content type is not application/json: send an AdmissionReview in JSON"
	case r.ContentLength > mostBody:
		return http.StatusRequestEntityTooLarge, "the body is larger than " + strconv.Itoa(mostBody) + " bytes: no API server sends one"
	}
	return 0, ""
}

// read reads the body of a request into memory.
func (e *exchange) read(w http.ResponseWriter, r *http.Request) error {
	e.body.Reset()
	// ReadFrom wants to have MinRead free at the end.
	if n := int(r.ContentLength) + bytes.MinRead; n > e.body.Cap() {
		e.body = *bytes.NewBuffer(make([]byte, 0, n)) // Grow would at least double a smaller buffer
		if n+cap(e.patch)+cap(e.reply) > mostKept {
			e.patch, e.reply = nil, nil // so that a small request holds no more than mostKept until it is answered
		}
	}
	_, err := e.body.ReadFrom(http.MaxBytesReader(w, r.Body, mostBody))
	return err
}

// serve answers a request of which the body has been read.
func (h *httpHandler) serve(w http.ResponseWriter, r *http.Request, e *exchange) {
	declined := errUnusual
	if h.read != nil {
		if take(r.Context(), h.limits.fast, 1) != nil {
			tooMany(w)
			return
		}
		declined = h.encode(r.Context(), e)
		h.limits.fast.Release(1)
	}
	if declined == nil {
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Content-Length", strconv.Itoa(len(e.reply)))
		_, _ = w.Write(e.reply) // a client that has gone needs no answer
		return
	}
	log.FromContext(r.Context()).V(1).Info("A request is left to the full decoder",
		"webhook", h.name, "why", bounded(declined.Error()))
	body := e.body.Bytes()
	if len(body) > mostFullyDecoded {
		http.Error(w, "the body is not a review of a Pod or workload as an API server writes it, and larger than "+
			strconv.Itoa(mostFullyDecoded)+" bytes: make the object smaller", http.StatusRequestEntityTooLarge)
		return
	}
	if err := checkNumbers(body); err != nil || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		// The full decoder would read YAML too.
		if err == nil || !errors.Is(err, errExcessive) {
			err = errNotJSON
		}
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := checkVersion(body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if take(r.Context(), h.limits.full, 1) != nil {
		tooMany(w)
		return
	}
	defer h.limits.full.Release(1)
	r.Body = io.NopCloser(bytes.NewReader(body))
	h.full.ServeHTTP(w, r)
}

// encode makes the reply to a request. The error says why the full decoder must read it.
func (h *httpHandler) encode(ctx context.Context, e *exchange) error {
	response, err := h.onePass(ctx, &e.cursor, e.body.Bytes())
	if err != nil {
		return err
	}
	e.reply, e.patch, err = appendReview(e.reply[:0], e.patch, response)
	return err
}
