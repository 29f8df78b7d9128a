package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/webhook"
)

// recorded is the namespace, in mode enforce, in which the floor records what the API server sends.
const recorded = "recorded"

// reviews are the two calls about one creation, as the API server makes them: before shmkeeper has
// changed the Pod, and after. Before and After are the Pods in them.
type reviews struct {
	mutate, validate []byte
	before, after    *corev1.Pod
}

// record creates a Pod by a dry run and returns what the API server has sent.
func (c *cluster) record(ctx context.Context, pod *corev1.Pod) (reviews, error) {
	opts := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	if _, err := c.kube.CoreV1().Pods(recorded).Create(ctx, pod, opts); err != nil {
		return reviews{}, err
	}
	var out reviews
	for _, r := range []struct {
		name string
		body *[]byte
		pod  **corev1.Pod
	}{{"mutate", &out.mutate, &out.before}, {"validate", &out.validate, &out.after}} {
		var err error
		if *r.body, err = os.ReadFile(filepath.Join(c.dir, "review-"+r.name+".json")); err != nil {
			return reviews{}, err
		}
		var review admissionv1.AdmissionReview
		if err := json.Unmarshal(*r.body, &review); err != nil {
			return reviews{}, err
		}
		if err := json.Unmarshal(review.Request.Object.Raw, r.pod); err != nil {
			return reviews{}, err
		}
	}
	return out, nil
}

// prepareRecording has the floor record, and waits until it does and shmkeeper changes Pods.
func (c *cluster) prepareRecording(ctx context.Context) error {
	if err := c.namespace(ctx, recorded, "enforce"); err != nil {
		return err
	}
	if err := c.mutateBy(ctx, recorded, "/record/mutate"); err != nil {
		return err
	}
	if err := c.validateBy(ctx, recorded, "/record/validate"); err != nil {
		return err
	}
	return eventually(ctx, func(ctx context.Context) error {
		r, err := c.record(ctx, matchedPod(0))
		if err == nil && len(r.after.Spec.Volumes) == len(r.before.Spec.Volumes) {
			return fmt.Errorf("shmkeeper does not change Pods in namespace %q yet", recorded)
		}
		return err
	})
}

// target is a webhook that is called directly.
type target struct {
	name, url string
	tls       *tls.Config
}

// targets are shmkeeper's paths for Pods in mode enforce, and the floor's.
type targets struct{ mutate, validate, floor target }

// targets returns them, each with the name that its certificate has.
func (c *cluster) targets(ctx context.Context) (targets, error) {
	ca, err := c.ourCA(ctx)
	if err != nil {
		return targets{}, err
	}
	known := func(pem []byte, host string) *tls.Config {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		return &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS13}
	}
	us, floor := known(ca, install.Service+"."+install.Namespace+".svc"), known([]byte(c.floor.Certificate), floorService+"."+floorNamespace+".svc")
	return targets{
		mutate:   target{ours, "https://" + c.replica.Webhooks + webhook.PathMutatePods, us},
		validate: target{ours, "https://" + c.replica.Webhooks + webhook.PathEnforcePods, us},
		floor:    target{floorName, "https://" + c.floor.Address + "/patch/" + small, floor},
	}, nil
}

// client returns a client that keeps a number of connections.
func (t target) client(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: t.tls.Clone(), MaxIdleConnsPerHost: connections, DisableCompression: true,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1, as API servers do
	}}
}

// ask sends a review and returns the body of the answer.
func ask(ctx context.Context, client *http.Client, url string, review []byte) ([]byte, error) {
	return post(ctx, client, url, review, http.StatusOK)
}

// post sends JSON and returns the body of the answer, whose status has to be the one given.
func post(ctx context.Context, client *http.Client, url string, body []byte, status int) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != status {
		return nil, fmt.Errorf("%s answers %s: %.500s", url, response.Status, answer)
	}
	return answer, nil
}

// patchOf returns the patch in the answer to a review.
func patchOf(answer []byte) ([]byte, error) {
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(answer, &review); err != nil {
		return nil, err
	}
	if review.Response == nil || len(review.Response.Patch) == 0 {
		return nil, fmt.Errorf("the answer has no patch: %.500s", answer)
	}
	return review.Response.Patch, nil
}
