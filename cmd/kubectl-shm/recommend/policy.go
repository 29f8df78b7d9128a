package recommend

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// writePolicies writes a policy for each workload that one can be written for.
func writePolicies(s cli.Streams, list []recommendation) error {
	written := 0
	for i := range list {
		r := &list[i]
		text, err := r.policyText()
		if err != nil {
			fmt.Fprintf(s.ErrOut, "note: no policy for %s in namespace %q: %v\n", r.Workload, r.Namespace, err)
			continue
		}
		if written > 0 {
			fmt.Fprintln(s.Out, "---")
		}
		fmt.Fprint(s.Out, text)
		written++
	}
	if written == 0 {
		return errors.New("there is no workload to write a policy for: kubectl shm recommend says what was seen")
	}
	return nil
}

// policyText returns the policy of a recommendation, with what it is from in comments.
func (r *recommendation) policyText() (string, error) {
	w := r.workload
	switch {
	case r.Verdict == unbounded:
		return "", errors.New("nothing is seen to be deleted, so no size is enough: find out after how long the program deletes its files, and write that into sizing.files.retention of a policy of your own")
	case len(w.labels) == 0:
		return "", errors.New("its Pods have no label that stays from one version to the next: match them by their image in a policy of your own")
	}
	spec := map[string]any{
		"mode": "Audit",
		"match": []any{map[string]any{
			"podSelector":       map[string]any{"matchLabels": w.labels},
			"namespaceSelector": map[string]any{"matchLabels": map[string]string{"kubernetes.io/metadata.name": r.Namespace}},
		}},
		"writers": map[string]any{"names": w.writers},
		"sizing":  r.sizing(),
	}
	if r.MountPath != cli.DevShm {
		spec["mountPath"] = r.MountPath
	}
	object := map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "SharedMemoryPolicy",
		"metadata": map[string]any{"name": r.policyName()}, "spec": spec,
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		return "", err
	}
	// What a cluster would not take is not written.
	var p v1alpha1.SharedMemoryPolicy
	if err := yaml.Unmarshal(text, &p); err != nil {
		return "", err
	}
	if _, errs := policy.Compile(&p); len(errs) > 0 {
		return "", fmt.Errorf("it would not be valid: %w", errs.ToAggregate())
	}
	return r.comment() + string(text), nil
}

// sizing returns the model: files where they come at a rate, or else a fixed size.
func (r *recommendation) sizing() map[string]any {
	w := r.workload
	if w.perMinute == 0 {
		return map[string]any{"fixed": map[string]any{"size": max(w.used.Percent(100+headroom), sizing.DefaultShm).RoundUp(sizing.MiB).Quantity().String()}}
	}
	f := w.files(w.declared)
	out := map[string]any{
		"files": map[string]any{
			"createdPerMinute": strconv.FormatFloat(rounded(f.CreatedPerMinute), 'f', -1, 64), "retention": wholeMinutes(f.Retention), "fileSize": int64(f.FileSize),
		},
	}
	if limit := r.size.Limit; limit > 4*sizing.GiB {
		out["max"] = limit.Quantity().String() // by default it is 4Gi
	}
	return out
}

// wholeMinutes returns a duration as a policy has it, rounded up to minutes.
func wholeMinutes(d time.Duration) string {
	minutes := int64((d + time.Minute - 1) / time.Minute)
	if minutes%60 == 0 {
		return fmt.Sprintf("%dh", minutes/60)
	}
	return fmt.Sprintf("%dm", minutes)
}

// comment says what the figures are from.
func (r *recommendation) comment() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by kubectl shm recommend for %s in namespace %q: review it, and check it with kubectl shm lint.\n", r.Workload, r.Namespace)
	if w := r.workload; w.perMinute > 0 {
		fmt.Fprintf(&b, "# From files of the last %s: the rate is known within %d %%; confidence %s.\n", readable.duration(w.watched), *r.RatePercent, r.Confidence)
		if w.declared > 0 && w.retention == 0 {
			fmt.Fprintf(&b, "# The retention is that of policy %s: no file was seen to be deleted.\n", cli.Plain(w.policy))
		}
	} else {
		fmt.Fprintf(&b, "# From one look at %s in use: no rate could be seen; confidence %s.\n", w.used, r.Confidence)
	}
	b.WriteString("# In mode Audit it changes and rejects nothing.\n")
	return b.String()
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// policyName returns a name for the policy: those of the namespace, the workload and the volume.
func (r *recommendation) policyName() string {
	_, name, _ := strings.Cut(r.Workload, "/")
	out := notInNames.ReplaceAllString(strings.ToLower(r.Namespace+"-"+name), "-")
	if r.Volume != "" && r.MountPath != cli.DevShm {
		out += "-" + notInNames.ReplaceAllString(strings.ToLower(r.Volume), "-")
	}
	const most = 63
	return strings.Trim(out[:min(len(out), most)], "-")
}
