//go:build chaos && linux

package chaos

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// What callers send that are not API servers.
var reviewScenarios = []scenario{
	{
		name: "reviews that are garbage, truncated, deep or of another version",
		fault: func(t *testing.T, h *harness) {
			h.sendHostile(t, hostileReviews(), 3, "/validate-pods", "/mutate-pods", "/report-pods")
		},
	},
	{
		name:  "reviews of 5.7 MB, eight at once",
		fault: func(t *testing.T, h *harness) { h.sendHostile(t, hugeReviews(), 2, "/validate-pods") },
	},
}

// review returns a review of a Pod with this JSON.
func review(version, pod string) string {
	return `{"apiVersion": "admission.k8s.io/` + version + `", "kind": "AdmissionReview", "request": {"uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
		"resource": {"group": "", "version": "v1", "resource": "pods"}, "name": "p", "namespace": "chaos-enforce", "operation": "CREATE", "object": ` + pod + `}}`
}

// hostileReviews are requests that hold no Pod that could be admitted.
func hostileReviews() map[string]string {
	const pod = `{"metadata": {"name": "p", "labels": {"app": "steady"}}, "spec": {"containers": [{"name": "app", "image": "i"}]}}`
	whole := review("v1", pod)
	return map[string]string{
		"nothing":              "",
		"null":                 "null",
		"an empty object":      "{}",
		"garbage":              "\x00\xff\xfe{{{{",
		"a truncated review":   whole[:len(whole)/2],
		"a version of nobody":  review("v9", pod),
		"another kind":         `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}`,
		"no request":           `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}`,
		"no object":            review("v1", "null"),
		"a list for an object": review("v1", "[]"),
		"deep":                 review("v1", strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)),
		"a deep label":         review("v1", `{"metadata": {"labels": `+strings.Repeat(`{"a":`, 20_000)+`1`+strings.Repeat("}", 20_000)+`}}`),
	}
}

// hugeReviews hold more than an API server sends, of Pods that violate a policy.
func hugeReviews() map[string]string {
	out := map[string]string{}
	for i := range 4 {
		out[fmt.Sprintf("annotations %d", i)] = review("v1", `{"metadata": {"name": "p", "labels": {"app": "steady"}, "annotations": {"a": "`+
			strings.Repeat("a", 5_700_000)+`"}}, "spec": {"containers": [{"name": "app", "image": "i"}]}}`)
		out[fmt.Sprintf("tolerations %d", i)] = review("v1", `{"metadata": {"name": "p", "labels": {"app": "steady"}}, "spec": {"tolerations": [`+
			strings.Repeat("{},", 1_900_000)+`{}], "containers": [{"name": "app", "image": "i"}]}}`)
	}
	return out
}

// sendHostile sends bodies to paths of every replica, all at once, some rounds. None may be admitted
// by the webhook that enforces, every one has to be answered in time, and no replica may end.
func (h *harness) sendHostile(t *testing.T, bodies map[string]string, rounds int, paths ...string) {
	t.Helper()
	for range rounds {
		for _, err := range sendReviews(h.replicas, bodies, paths...) {
			t.Error(err)
		}
	}
	for _, r := range h.replicas {
		h.waitReady(t, r)
	}
}

// sendReviews sends bodies to paths of replicas, all at once, and returns what is wrong with the
// answers.
func sendReviews(replicas []*replica, bodies map[string]string, paths ...string) (faults []error) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, // it is an attacker, and asks nobody
	}}}
	defer client.CloseIdleConnections()
	var requests sync.WaitGroup
	var mu sync.Mutex
	for name, body := range bodies {
		for _, r := range replicas {
			for _, path := range paths {
				requests.Go(func() {
					if err := sendReview(client, r.Webhooks, path, body); err != nil {
						mu.Lock()
						defer mu.Unlock()
						faults = append(faults, fmt.Errorf("%s: %s at %s: %w", r.name, name, path, err))
					}
				})
			}
		}
	}
	requests.Wait()
	return faults
}

// sendReview sends one body. An error says that it was admitted where it must not be, or that there
// was no answer in time; a connection that the server closes is an answer too.
func sendReview(client *http.Client, address, path, body string) error {
	const answer = 30 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), answer)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return ctx.Err()
	}
	defer func() { _ = response.Body.Close() }() // all of it is read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return ctx.Err()
	}
	var got struct{ Response struct{ Allowed bool } }
	if response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&got); err != nil {
			return fmt.Errorf("%w: %.200s", err, text)
		}
	}
	if got.Response.Allowed && path == "/validate-pods" {
		return fmt.Errorf("it was admitted: %.200s", text)
	}
	return nil
}
