package audit

import (
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// jsonReport is an audit as a program reads it. All fields are always there.
type jsonReport struct {
	Scope      string          `json:"scope"`
	Policies   string          `json:"policies"`
	Pods       int             `json:"pods"`
	Unmatched  int             `json:"unmatchedPods"`
	Workloads  []jsonWorkload  `json:"workloads"`
	Namespaces []jsonNamespace `json:"namespaces"`
	Notes      []string        `json:"notes"`
}

type jsonWorkload struct {
	APIVersion string                 `json:"apiVersion"`
	Kind       string                 `json:"kind"`
	Namespace  string                 `json:"namespace"`
	Name       string                 `json:"name"`
	Pods       int                    `json:"pods"`
	Replicas   int                    `json:"replicas"`
	Outcomes   map[policy.Outcome]int `json:"podsByOutcome"`
	Mode       string                 `json:"mode"`
	Result     string                 `json:"result"`
	Policy     string                 `json:"policy"`
	Reason     policy.Reason          `json:"reason"`
	Detail     string                 `json:"detail"`
	Example    string                 `json:"examplePod"`
	SizeLimit  string                 `json:"sizeLimit"`
	Violations []jsonViolation        `json:"violations"`
	Warnings   []string               `json:"warnings"`
	Requests   jsonMemory             `json:"requests"`
	Limits     jsonMemory             `json:"limits"`
}

type jsonViolation struct {
	ID        string        `json:"id"`
	Reason    policy.Reason `json:"reason"`
	Detail    string        `json:"detail"`
	Container string        `json:"container"`
}

// jsonMemory is an amount in bytes, as it is and as it would be.
type jsonMemory struct {
	Now  sizing.Bytes `json:"nowBytes"`
	Then sizing.Bytes `json:"thenBytes"`
}

type jsonNamespace struct {
	Name      string         `json:"name"`
	Mode      string         `json:"mode"`
	Replicas  int            `json:"replicas"`
	Workloads map[string]int `json:"workloadsByResult"`
	Requests  jsonMemory     `json:"requests"`
	Limits    jsonMemory     `json:"limits"`
	Exceeded  []jsonExceeded `json:"exceededQuotas"`
}

type jsonExceeded struct {
	Quota    string       `json:"quota"`
	Resource string       `json:"resource"`
	Hard     sizing.Bytes `json:"hardBytes"`
	Used     sizing.Bytes `json:"usedBytes"`
	Needed   sizing.Bytes `json:"neededBytes"`
}

func (r *report) json() jsonReport {
	out := jsonReport{
		Scope: r.where, Policies: r.whose, Pods: r.pods, Unmatched: r.unmatched,
		Workloads: []jsonWorkload{}, Namespaces: []jsonNamespace{}, Notes: append([]string{}, r.notes...),
	}
	for _, w := range r.workloads {
		out.Workloads = append(out.Workloads, w.json())
	}
	for _, n := range r.namespaces {
		one := jsonNamespace{
			Name: n.name, Mode: n.mode, Replicas: n.pods, Workloads: map[string]int{},
			Requests: jsonMemory{n.before.Requests, n.after.Requests}, Limits: jsonMemory{n.before.Limits, n.after.Limits},
			Exceeded: []jsonExceeded{},
		}
		for o, count := range n.workloads {
			one.Workloads[results[o]] = count
		}
		for _, x := range n.exceeded {
			one.Exceeded = append(one.Exceeded, jsonExceeded{x.quota, string(x.resource), x.hard, x.used, x.needed})
		}
		out.Namespaces = append(out.Namespaces, one)
	}
	return out
}

func (w *workload) json() jsonWorkload {
	v := &w.worst
	out := jsonWorkload{
		APIVersion: w.APIVersion, Kind: w.Kind, Namespace: w.Namespace, Name: w.Name, Pods: w.running, Replicas: w.replicas,
		Outcomes: w.pods, Mode: modeOf(string(v.mode)), Result: results[v.outcome], Policy: v.policy, Reason: v.reason, Detail: v.detail, Example: w.example,
		SizeLimit: v.sizeLimit, Violations: []jsonViolation{}, Warnings: append([]string{}, v.warnings...),
		Requests: jsonMemory{w.before.Requests, w.after.Requests}, Limits: jsonMemory{w.before.Limits, w.after.Limits},
	}
	if out.Outcomes == nil {
		out.Outcomes = map[policy.Outcome]int{}
	}
	for _, x := range v.violations {
		out.Violations = append(out.Violations, jsonViolation{x.Reason.ID(), x.Reason, x.Detail, x.Container})
	}
	return out
}
