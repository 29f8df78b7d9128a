package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
)

// scrapeReviewer answers reviews as an API server that knows the tokens "prometheus", who may read /metrics,
// and "somebody", who may not.
type scrapeReviewer struct {
	client         *fake.Clientset
	tokens, access int
	failing        bool
	asked          authorizationv1.SubjectAccessReviewSpec
}

func newScrapeReviewer() *scrapeReviewer {
	r := &scrapeReviewer{client: fake.NewClientset()}
	r.client.PrependReactor("create", "tokenreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		create, ok := a.(clienttesting.CreateAction)
		if !ok || r.failing {
			return true, nil, errors.New("the API server is down")
		}
		r.tokens++
		review, ok := create.GetObject().(*authenticationv1.TokenReview)
		if !ok {
			return true, nil, errors.New("not a TokenReview")
		}
		review = review.DeepCopy()
		if name := review.Spec.Token; name == "prometheus" || name == "somebody" {
			review.Status.Authenticated = true
			review.Status.User = authenticationv1.UserInfo{
				Username: name, UID: "uid", Groups: []string{"all"}, Extra: map[string]authenticationv1.ExtraValue{"a": {"b"}},
			}
		}
		return true, review, nil
	})
	r.client.PrependReactor("create", "subjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		create, ok := a.(clienttesting.CreateAction)
		if !ok {
			return true, nil, errors.New("not a creation")
		}
		r.access++
		review, ok := create.GetObject().(*authorizationv1.SubjectAccessReview)
		if !ok {
			return true, nil, errors.New("not a SubjectAccessReview")
		}
		review = review.DeepCopy()
		r.asked = review.Spec
		review.Status.Allowed = review.Spec.User == "prometheus"
		return true, review, nil
	})
	return r
}

// scrape returns the status of the answer to a request with a header.
func scrape(t *testing.T, h http.Handler, authorization string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if served := w.Body.String() == "served"; served != (w.Code == http.StatusOK) {
		t.Errorf("status %d, and the body %q", w.Code, w.Body)
	}
	return w.Code
}

func newScraped(t *testing.T, r *scrapeReviewer, clock cache.Clock) http.Handler {
	t.Helper()
	return newScrapedWithLog(t, r, clock, logr.Discard())
}

func newScrapedWithLog(t *testing.T, r *scrapeReviewer, clock cache.Clock, log logr.Logger) http.Handler {
	t.Helper()
	s := &scrapers{kube: r.client, statuses: cache.NewLRUExpireCacheWithClock(mostReviewed, clock)}
	h, err := s.filter(log, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("served")) }))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestScrapers_AsksTheAPIServer(t *testing.T) {
	for name, c := range map[string]struct {
		authorization  string
		status         int
		tokens, access int // how many reviews it takes
	}{
		"nobody":                     {"", 401, 0, 0},
		"a password":                 {"Basic prometheus", 401, 0, 0},
		"an empty token":             {"Bearer ", 401, 0, 0},
		"a token that is not known":  {"Bearer other", 401, 1, 0},
		"somebody who may not":       {"Bearer somebody", 403, 1, 1},
		"somebody who may":           {"Bearer prometheus", 200, 1, 1},
		"the scheme in another case": {"bearer prometheus", 200, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newScrapeReviewer()
			h := newScraped(t, r, clocktesting.NewFakeClock(time.Unix(0, 0)))
			for range 2 { // the second answer is remembered
				if got := scrape(t, h, c.authorization); got != c.status {
					t.Errorf("status %d, want %d", got, c.status)
				}
			}
			if r.tokens != c.tokens || r.access != c.access {
				t.Errorf("%d token reviews and %d access reviews, want %d and %d", r.tokens, r.access, c.tokens, c.access)
			}
		})
	}
}

func TestScrapers_AsksAboutTheWholeUser(t *testing.T) {
	r := newScrapeReviewer()
	scrape(t, newScraped(t, r, clocktesting.NewFakeClock(time.Unix(0, 0))), "Bearer prometheus")
	want := authorizationv1.SubjectAccessReviewSpec{
		User: "prometheus", UID: "uid", Groups: []string{"all"}, Extra: map[string]authorizationv1.ExtraValue{"a": {"b"}},
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"},
	}
	if diff := cmp.Diff(want, r.asked); diff != "" {
		t.Errorf("-want +asked:\n%s", diff)
	}
}

func TestScrapers_RemembersForAWhile(t *testing.T) {
	for token, d := range map[string]time.Duration{"prometheus": allowedFor, "somebody": deniedFor, "other": deniedFor} {
		r, clock := newScrapeReviewer(), clocktesting.NewFakeClock(time.Unix(0, 0))
		h := newScraped(t, r, clock)
		scrape(t, h, "Bearer "+token)
		clock.Step(d - time.Second)
		scrape(t, h, "Bearer "+token)
		if r.tokens != 1 {
			t.Errorf("%s: %d reviews within %s", token, r.tokens, d)
		}
		clock.Step(2 * time.Second)
		scrape(t, h, "Bearer "+token)
		if r.tokens != 2 {
			t.Errorf("%s: %d reviews after %s", token, r.tokens, d)
		}
	}
}

// A failure is not an answer, and is not remembered.
func TestScrapers_APIServerDown(t *testing.T) {
	r := newScrapeReviewer()
	h := newScraped(t, r, clocktesting.NewFakeClock(time.Unix(0, 0)))
	r.failing = true
	if got := scrape(t, h, "Bearer prometheus"); got != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", got)
	}
	r.failing = false
	if got := scrape(t, h, "Bearer prometheus"); got != http.StatusOK {
		t.Errorf("status %d when the API server is back", got)
	}
}

// A scraper that gives up, as Prometheus does at its timeout, is no error of the server: those who look
// for errors in its log look for what failed.
func TestScrapers_LogFailuresAndNotScrapersThatGoAway(t *testing.T) {
	for name, c := range map[string]struct {
		gone   bool
		want   int // lines
		status int // also of a scraper that waits while the server ends
	}{
		"a scraper that waits":     {gone: false, want: 1, status: http.StatusInternalServerError},
		"a scraper that goes away": {gone: true, want: 0, status: http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			r, lines := newScrapeReviewer(), 0
			r.failing = true
			h := newScrapedWithLog(t, r, clocktesting.NewFakeClock(time.Unix(0, 0)), funcr.New(func(_, _ string) { lines++ }, funcr.Options{}))
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			if c.gone {
				leave()
			}
			request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", http.NoBody)
			request.Header.Set("Authorization", "Bearer prometheus")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request)
			if lines != c.want || w.Code != c.status {
				t.Errorf("%d lines are logged and the status is %d; want %d and %d", lines, w.Code, c.want, c.status)
			}
		})
	}
}
