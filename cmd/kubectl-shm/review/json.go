package review

import (
	"slices"

	"gomodules.xyz/jsonpatch/v2"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/internal/version"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// formatVersion is the version of the format of -o json: a key that is there keeps its name, its place
// and its meaning.
const formatVersion = "1"

// tool names this program and its version.
func tool() string { return "kubectl-shm " + version.Text() }

// jsonResult represents a result as a program reads it. All fields are always there.
type jsonResult struct {
	Kind       string                `json:"kind"`
	Namespace  string                `json:"namespace"`
	Name       string                `json:"name"`
	Template   string                `json:"template"` // the JSON pointer to it; empty for a Pod itself
	Outcome    policy.Outcome        `json:"outcome"`
	Policy     string                `json:"policy"`
	Reason     policy.Reason         `json:"reason"`
	Detail     string                `json:"detail"`
	SizeLimit  string                `json:"sizeLimit"`
	Patch      []jsonpatch.Operation `json:"patch"`
	Violations []jsonViolation       `json:"violations"`
	Warnings   []string              `json:"warnings"`
	Notes      []string              `json:"notes"`

	Version    string        `json:"version"`
	Tool       string        `json:"tool"`
	Policies   []string      `json:"policies"`
	APIVersion string        `json:"apiVersion"`
	File       string        `json:"file"`
	Line       int           `json:"line"`
	Mode       v1alpha1.Mode `json:"mode"`
	Replicas   *int64        `json:"replicas"` // null if the manifest does not say
	Checks     []string      `json:"checks"`
	Before     jsonFigures   `json:"before"`
	After      jsonFigures   `json:"after"`
}

type jsonViolation struct {
	ID        string        `json:"id"`
	Reason    policy.Reason `json:"reason"`
	Detail    string        `json:"detail"`
	Container string        `json:"container"`
}

// jsonFigures represents the memory of one Pod, in bytes; 0 for none.
type jsonFigures struct {
	Volume  sizing.Bytes `json:"sizeLimitBytes"`
	Limit   sizing.Bytes `json:"memoryLimitBytes"`
	Request sizing.Bytes `json:"memoryRequestBytes"`
}

func (v *review) json() []jsonResult {
	list := make([]jsonResult, 0, len(v.results))
	for i := range v.results {
		list = append(list, v.jsonResult(&v.results[i]))
	}
	return list
}

func (v *review) jsonResult(r *reviewer.Result) jsonResult {
	file, line := v.in.Place(r.Object, "")
	j := jsonResult{
		Kind: r.Subject.Kind, Namespace: r.Subject.Namespace, Name: r.Subject.Name, Template: r.Subject.Pointer,
		Outcome: r.Outcome, Policy: r.Policy, Reason: r.Reason, Detail: r.Detail, SizeLimit: sizeLimit(*r),
		Patch:      append([]jsonpatch.Operation{}, r.Patch...),
		Violations: []jsonViolation{},
		Warnings:   append([]string{}, r.Warnings...),
		Notes:      append([]string{}, r.Notes...),
		Version:    formatVersion, Tool: tool(), Policies: v.chosen.Names,
		APIVersion: r.Object.APIVersion, File: file, Line: line, Mode: r.Effective, Replicas: r.Replicas, Checks: checksOf(r),
		Before: jsonFigures(r.Current), After: jsonFigures(r.Planned),
	}
	for _, x := range r.After {
		j.Violations = append(j.Violations, jsonViolation{ID: x.ID(), Reason: x.Reason, Detail: x.Detail, Container: x.Container})
	}
	return j
}

// checksOf returns the IDs of what is wrong with an object as it is written, each once, in order.
func checksOf(r *reviewer.Result) []string {
	ids := []string{}
	for _, x := range slices.Concat(r.Before(), r.After) {
		if !slices.Contains(ids, x.ID()) {
			ids = append(ids, x.ID())
		}
	}
	slices.Sort(ids)
	return ids
}

// jsonPatch represents the patch of one template.
type jsonPatch struct {
	APIVersion string                `json:"apiVersion"`
	Kind       string                `json:"kind"`
	Namespace  string                `json:"namespace"`
	Name       string                `json:"name"`
	Patch      []jsonpatch.Operation `json:"patch"`
}

func patchesJSON(results []reviewer.Result) []jsonPatch {
	list := []jsonPatch{}
	for _, r := range results {
		if len(r.Patch) > 0 {
			list = append(list, jsonPatch{
				APIVersion: r.Object.APIVersion, Kind: r.Subject.Kind, Namespace: r.Subject.Namespace, Name: r.Subject.Name, Patch: r.Patch,
			})
		}
	}
	return list
}
