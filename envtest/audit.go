package envtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// AuditMetadata is the audit policy that records of each request who made it, for what, the
// answer's code and the annotations of webhooks, but not the objects.
const AuditMetadata = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// AuditNone is the audit policy that records nothing.
const AuditNone = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
`

// AuditEvents returns all events of the audit log so far, in the order in which requests ended. A
// request's event can follow its answer by a moment, so a test that expects one waits for it.
func (cp *ControlPlane) AuditEvents() ([]auditv1.Event, error) {
	data, err := os.ReadFile(cp.AuditLog)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the audit log: %w; read it before Stop, or keep it with Options.LogDir", err)
	}
	// The last line may be half written.
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	var events []auditv1.Event
	for line := range bytes.Lines(data) {
		var event auditv1.Event
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("the audit log %q: %w; leave its format at json", cp.AuditLog, err)
		}
		events = append(events, event)
	}
	return events, nil
}
