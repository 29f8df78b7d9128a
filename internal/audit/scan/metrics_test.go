package scan

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics_AreThoseOfTheLastScan(t *testing.T) {
	m, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	const failures = `
# HELP shmkeeper_audit_failures_total Scans of running Pods that were not complete.
# TYPE shmkeeper_audit_failures_total counter
shmkeeper_audit_failures_total 0
`
	if err := testutil.CollectAndCompare(m, strings.NewReader(failures)); err != nil {
		t.Error(err)
	}
	all := newTally()
	n := newNamespaceTally("shop", true)
	n.add(violating("a", "x"))
	n.pods = 3
	all.addNamespace(n)
	m.set(all, time.Unix(1000, 0), 1500*time.Millisecond)
	if err := testutil.CollectAndCompare(m, strings.NewReader(failures+`
# HELP shmkeeper_audit_last_scan_timestamp_seconds When the last complete scan began, in seconds since 1970.
# TYPE shmkeeper_audit_last_scan_timestamp_seconds gauge
shmkeeper_audit_last_scan_timestamp_seconds 1000
# HELP shmkeeper_audit_pods Running Pods of the namespaces that have the label of a mode, by what the last scan found: matched by a policy and, of these, violating, outdated or rejected.
# TYPE shmkeeper_audit_pods gauge
shmkeeper_audit_pods{namespace="shop",state="matched"} 1
shmkeeper_audit_pods{namespace="shop",state="outdated"} 1
shmkeeper_audit_pods{namespace="shop",state="rejected"} 1
shmkeeper_audit_pods{namespace="shop",state="violating"} 1
# HELP shmkeeper_audit_scan_duration_seconds How long the last complete scan took.
# TYPE shmkeeper_audit_scan_duration_seconds gauge
shmkeeper_audit_scan_duration_seconds 1.5
# HELP shmkeeper_audit_scanned_pods Running Pods that the last complete scan looked at.
# TYPE shmkeeper_audit_scanned_pods gauge
shmkeeper_audit_scanned_pods 3
# HELP shmkeeper_audit_unmatched_writers Running Pods that no policy matches and that look like writers to /dev/shm, by namespace.
# TYPE shmkeeper_audit_unmatched_writers gauge
shmkeeper_audit_unmatched_writers{namespace="shop"} 0
# HELP shmkeeper_audit_violations Running Pods that violate a policy, by policy and reason.
# TYPE shmkeeper_audit_violations gauge
shmkeeper_audit_violations{policy="p",reason="NoMount"} 1
shmkeeper_audit_violations{policy="p",reason="TooSmall"} 1
`)); err != nil {
		t.Error(err)
	}
	m.reset()
	if err := testutil.CollectAndCompare(m, strings.NewReader(failures)); err != nil {
		t.Errorf("after the term: %v", err)
	}
}
