package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// How long an answer of the API server about who may scrape is remembered, how many are, and how
// long one may take.
const (
	allowedFor    = time.Minute
	deniedFor     = 10 * time.Second
	mostReviewed  = 1024
	reviewTimeout = 10 * time.Second
)

// scrapers has the API server say who may read the metrics: those whose token it knows, and who
// may use the verb of the request on its path. controller-runtime's filter asks the same of
// k8s.io/apiserver, which takes 8 MB of the program and as much resident memory.
type scrapers struct {
	kube     kubernetes.Interface
	statuses *cache.LRUExpireCache // of an access
}

// access is what is asked about.
type access struct {
	token      [sha256.Size]byte
	verb, path string
}

// authorizeScrapes returns a filter for the metrics server.
func authorizeScrapes(config *rest.Config, client *http.Client) (metricsserver.Filter, error) {
	kube, err := kubernetes.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	s := &scrapers{kube: kube, statuses: cache.NewLRUExpireCache(mostReviewed)}
	return s.filter, nil
}

func (s *scrapers) filter(log logr.Logger, next http.Handler) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		status, err := s.status(r.Context(), token, strings.ToLower(r.Method), r.URL.Path)
		switch {
		case err != nil && r.Context().Err() != nil:
			// The scraper has gone away, as Prometheus does at its timeout, or the server ends:
			// nothing has failed.
			http.Error(w, "canceled before it was known who reads the metrics", http.StatusServiceUnavailable)
		case err != nil:
			log.Error(err, "failed to review who reads the metrics")
			http.Error(w, "failed to review who reads the metrics", http.StatusInternalServerError)
		case status != http.StatusOK:
			http.Error(w, http.StatusText(status), status)
		default:
			next.ServeHTTP(w, r)
		}
	}), nil
}

// status returns the status of the answer to somebody: 200, 401 or 403.
func (s *scrapers) status(ctx context.Context, token, verb, path string) (int, error) {
	key := access{sha256.Sum256([]byte(token)), verb, path}
	if known, found := s.statuses.Get(key); found {
		if status, ok := known.(int); ok {
			return status, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	status, err := s.review(ctx, token, verb, path)
	if err != nil {
		return 0, err
	}
	remembered := deniedFor
	if status == http.StatusOK {
		remembered = allowedFor
	}
	s.statuses.Add(key, status, remembered)
	return status, nil
}

func (s *scrapers) review(ctx context.Context, token, verb, path string) (int, error) {
	who, err := s.kube.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("review a token: %w", err)
	}
	if !who.Status.Authenticated {
		return http.StatusUnauthorized, nil
	}
	user := who.Status.User
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for name, values := range user.Extra {
		extra[name] = authorizationv1.ExtraValue(values)
	}
	may, err := s.kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: path, Verb: verb},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("review access: %w", err)
	}
	if !may.Status.Allowed {
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}
