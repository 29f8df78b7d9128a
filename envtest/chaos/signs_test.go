//go:build chaos && linux

package chaos

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// logs wants a message in the log of a replica.
func logs(message string) sign {
	return func(t *testing.T, h *harness, before beginning) error {
		text, err := h.logged(before.marks)
		if err != nil {
			return err
		}
		if !strings.Contains(text, message) {
			return fmt.Errorf("no replica has logged %q", message)
		}
		return nil
	}
}

// counts wants a metric of the replicas to have grown, over all of them.
func counts(metric string, labels ...string) sign {
	return func(t *testing.T, h *harness, before beginning) error {
		grown := 0.0
		for _, r := range h.replicas {
			now, err := h.metrics(t.Context(), r)
			if err != nil {
				return err
			}
			grown += now.sum(metric, labels...) - before.replicas[r.name].sum(metric, labels...)
		}
		if grown <= 0 {
			return fmt.Errorf("metric %s%v has not grown", metric, labels)
		}
		return nil
	}
}

// apiServerCounts wants a metric of the API server to have grown.
func apiServerCounts(metric string, labels ...string) sign {
	return func(t *testing.T, h *harness, before beginning) error {
		now, err := h.apiServerMetrics(t.Context())
		if err == nil && now.sum(metric, labels...) <= before.apiServer.sum(metric, labels...) {
			err = fmt.Errorf("metric %s%v of the API server has not grown", metric, labels)
		}
		return err
	}
}

// What the API server counts when it cannot call a webhook.
var (
	enforceFailed = apiServerCounts("apiserver_admission_webhook_rejection_count", `name="enforce.pods.shmkeeper.dev"`, `error_type="calling_webhook_error"`)
	mutateFailed  = apiServerCounts("apiserver_admission_webhook_fail_open_count", `name="mutate.pods.shmkeeper.dev"`)
	reportFailed  = apiServerCounts("apiserver_admission_webhook_fail_open_count", `name="report.pods.shmkeeper.dev"`)
	anyFailed     = oneOf(enforceFailed, mutateFailed, reportFailed)
)

// oneOf wants any of some signs.
func oneOf(signs ...sign) sign {
	return func(t *testing.T, h *harness, before beginning) error {
		var errs []error
		for _, sign := range signs {
			err := sign(t, h, before)
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
}

// restoredEvent wants a Warning Event of a restoration since the scenario began.
func restoredEvent(what string) sign {
	return func(t *testing.T, h *harness, before beginning) error {
		events, err := h.kube.EventsV1().Events(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		var notes []string
		for i := range events.Items {
			e := &events.Items[i]
			last := e.EventTime.Time
			if e.Series != nil {
				last = e.Series.LastObservedTime.Time
			}
			if e.Reason == "Restored" && strings.Contains(e.Note, what) && last.After(before.at) {
				return nil
			}
			notes = append(notes, e.Note)
		}
		return fmt.Errorf("no event says %q since %s, but %q", what, before.at, notes)
	}
}
