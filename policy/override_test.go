package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
)

// What annotations make of the size, and what is said about those that do not count.
func TestEvaluate_Overrides(t *testing.T) {
	const (
		fixed   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}"
		head    = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}, headroomPercent: 25}, memory: {handling: Ignore}}"
		allowed = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}, overrides: Allowed}"
		files   = "{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '18', retention: 168h, fileSize: 1500}}, memory: {handling: Ignore}, overrides: Allowed}"
		checks  = "{match: [{podSelector: {}}], exemptions: Allowed}"
	)
	type result struct {
		Outcome policy.Outcome
		Size    string
		Said    []string
	}
	for name, c := range map[string]struct {
		policy, annotations string
		want                result
	}{
		"the smallest size that the policy gives": {
			allowed, "{shmkeeper.dev/size-limit: 64Mi}",
			result{policy.Mutated, "64Mi", []string{`the annotations ask for a /dev/shm of 64Mi, and policy "p" would give 256Mi: remove shmkeeper.dev/size-limit if that is not meant`}},
		},
		"less than the smallest size that the policy gives": {
			allowed, "{shmkeeper.dev/size-limit: 63Mi}",
			result{policy.Violating, "", []string{`annotation shmkeeper.dev/size-limit: "63Mi" is not from 64Mi to 4Gi, as policy "p" asks: correct or remove the annotation`}},
		},
		"the largest size that the policy gives": {
			allowed, "{shmkeeper.dev/size-limit: 4Gi}", result{policy.Mutated, "4Gi", nil},
		},
		"more than the largest size that the policy gives": {
			allowed, "{shmkeeper.dev/size-limit: 4097Mi}",
			result{policy.Violating, "", []string{`annotation shmkeeper.dev/size-limit: "4097Mi" is not from 64Mi to 4Gi, as policy "p" asks: correct or remove the annotation`}},
		},
		"under RaiseOnly the largest size that the policy gives": {
			fixed, "{shmkeeper.dev/size-limit: 4Gi}", result{policy.Mutated, "4Gi", nil},
		},
		"under RaiseOnly more than the largest size": {
			fixed, "{shmkeeper.dev/size-limit: 4097Mi}",
			result{policy.Mutated, "4Gi", []string{`annotation shmkeeper.dev/size-limit asks for 4097Mi, and policy "p" gives at most 4Gi: ask the policy's administrator for more`}},
		},
		"under RaiseOnly the size that the policy gives": {
			fixed, "{shmkeeper.dev/size-limit: 256Mi}", result{policy.Mutated, "256Mi", nil},
		},
		"under RaiseOnly the requirement without all of its headroom": { // 256Mi and 25 per cent
			head, "{shmkeeper.dev/size-limit: 300Mi}",
			result{policy.Mutated, "320Mi", []string{`the annotations ask for a /dev/shm of 300Mi, less than the 320Mi that policy "p" gives, and are ignored: remove shmkeeper.dev/size-limit`}},
		},
		"each annotation of files is reported where none are counted": {
			allowed, "{shmkeeper.dev/files-per-minute: '5', shmkeeper.dev/retention: 24h, shmkeeper.dev/file-size: 1Ki}",
			result{policy.Violating, "", []string{
				`annotation shmkeeper.dev/files-per-minute: "5" has no effect, as policy "p" counts no files: correct or remove the annotation`,
				`annotation shmkeeper.dev/retention: "24h" has no effect, as policy "p" counts no files: correct or remove the annotation`,
				`annotation shmkeeper.dev/file-size: "1Ki" has no effect, as policy "p" counts no files: correct or remove the annotation`,
			}},
		},
		"each annotation that cannot be read is reported": {
			files, "{shmkeeper.dev/files-per-minute: many, shmkeeper.dev/retention: long, shmkeeper.dev/file-size: large}",
			result{policy.Violating, "", []string{
				`annotation shmkeeper.dev/files-per-minute: "many" must be a positive decimal number of files a minute, such as "18" or "0.5": correct or remove the annotation`,
				`annotation shmkeeper.dev/retention: "long" must be a positive duration in h, m, s or ms, such as 168h: a day is 24h: correct or remove the annotation`,
				`annotation shmkeeper.dev/file-size: "large" must be a number of bytes or a quantity, such as 1500 or 512Mi: correct or remove the annotation`,
			}},
		},
		// A day's retention takes 131Mi, as docs/explanation/incident.md has it.
		"one annotation counts behind one that does not": {
			files, "{shmkeeper.dev/files-per-minute: many, shmkeeper.dev/retention: 24h}",
			result{policy.Violating, "", []string{
				`the annotations ask for a /dev/shm of 131Mi, and policy "p" would give 897Mi: remove shmkeeper.dev/files-per-minute, shmkeeper.dev/retention if that is not meant`,
				`annotation shmkeeper.dev/files-per-minute: "many" must be a positive decimal number of files a minute, such as "18" or "0.5": correct or remove the annotation`,
			}},
		},
		"a retention of 32 characters": { // 24 h, for which 131Mi are enough
			files, "{shmkeeper.dev/retention: 9h" + strings.Repeat("1h", 15) + "}",
			result{policy.Mutated, "131Mi", []string{`the annotations ask for a /dev/shm of 131Mi, and policy "p" would give 897Mi: remove shmkeeper.dev/retention if that is not meant`}},
		},
		"a retention of 33 characters": {
			files, "{shmkeeper.dev/retention: 09h" + strings.Repeat("1h", 15) + "}",
			result{policy.Violating, "", []string{`annotation shmkeeper.dev/retention: "09h` + strings.Repeat("1h", 15) + `" must have at most 32 characters: correct or remove the annotation`}},
		},
		"a policy without sizing": {
			checks, "{shmkeeper.dev/size-limit: 1Gi}", result{policy.Compliant, "", nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, c.policy, "{spec: {containers: [{name: web}]}}", "", "")
			if err := yaml.UnmarshalStrict([]byte(c.annotations), &w.pod.Annotations); err != nil {
				t.Fatal(err)
			}
			e, after := w.evaluate(t)
			got := result{Outcome: e.Outcome, Said: e.Warnings} // memory: Ignore warns of nothing here
			if e.Outcome == policy.Mutated {
				got.Size = after.Spec.Volumes[0].EmptyDir.SizeLimit.String()
			}
			for _, v := range e.Before {
				if v.Reason == policy.InvalidOverride {
					got.Said = append(got.Said, v.Detail)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
