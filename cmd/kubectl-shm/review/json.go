package review

import (
	"gomodules.xyz/jsonpatch/v2"

	"github.com/shmkeeper/shmkeeper/policy"
)

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
}

type jsonViolation struct {
	ID        string        `json:"id"`
	Reason    policy.Reason `json:"reason"`
	Detail    string        `json:"detail"`
	Container string        `json:"container"`
}

func reviewJSON(results []result) []jsonResult {
	list := make([]jsonResult, 0, len(results))
	for _, r := range results {
		j := jsonResult{
			Kind: r.subject.Kind, Namespace: r.subject.Namespace, Name: r.subject.Name, Template: r.subject.Pointer,
			Outcome: r.Outcome, Policy: r.Policy, Reason: r.Reason, Detail: r.Detail, SizeLimit: r.sizeLimit(),
			Patch:      append([]jsonpatch.Operation{}, r.patch...),
			Violations: []jsonViolation{},
			Warnings:   append([]string{}, r.warnings...),
			Notes:      append([]string{}, r.notes...),
		}
		for _, v := range r.After {
			j.Violations = append(j.Violations, jsonViolation{ID: v.ID(), Reason: v.Reason, Detail: v.Detail, Container: v.Container})
		}
		list = append(list, j)
	}
	return list
}

// jsonPatch represents the patch of one template.
type jsonPatch struct {
	APIVersion string                `json:"apiVersion"`
	Kind       string                `json:"kind"`
	Namespace  string                `json:"namespace"`
	Name       string                `json:"name"`
	Patch      []jsonpatch.Operation `json:"patch"`
}

func patchesJSON(results []result) []jsonPatch {
	list := []jsonPatch{}
	for _, r := range results {
		if len(r.patch) > 0 {
			list = append(list, jsonPatch{
				APIVersion: r.object.APIVersion, Kind: r.subject.Kind, Namespace: r.subject.Namespace, Name: r.subject.Name, Patch: r.patch,
			})
		}
	}
	return list
}
