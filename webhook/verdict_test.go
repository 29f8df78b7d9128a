package webhook

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

var (
	noMount  = policy.Violation{Reason: policy.NoMount, Container: "web", Detail: "no mount: mount one"}
	tooSmall = policy.Violation{Reason: policy.TooSmall, Container: "web", Detail: "too small: enlarge it"}
	clamped  = policy.Violation{Reason: policy.ClampedByMemoryLimit, Detail: "clamped: raise the limit"}
	oom      = policy.Violation{Reason: policy.OOMBeforeFull, Container: "web", Detail: "killed: raise the limit"}
	noRoom   = policy.Violation{Reason: policy.ExceedsQuota, Detail: "no room: ask for more"}
)

// said is what a verdict says, in short: who is denied what, and what is noted of it.
type said struct {
	action     action
	message    string
	warnings   []string
	violations []policy.Violation
	// outcome is what is counted, empty for nothing; noted is what is written into the audit
	// log: outcome, reason and detail, empty for nothing.
	outcome policy.Outcome
	noted   string
}

func sayingOf(v verdict) said {
	s := said{action: v.action, message: v.message, warnings: v.warnings, violations: v.violations}
	if v.counted {
		s.outcome = v.outcome
	}
	if v.annotated {
		s.noted = fmt.Sprintf("%s %s: %s", v.outcome, v.reason, v.detail)
	}
	return s
}

// evaluated returns an evaluation of a Pod or template under policy "p", whose owner is warned of
// something.
func evaluated(outcome policy.Outcome, after ...policy.Violation) policy.Evaluation {
	e := policy.Evaluation{
		Outcome: outcome, Policy: "p", Mode: v1alpha1.Enforce, Reason: "Why", Detail: "adds a volume",
		After: after, Warnings: []string{"beware"},
	}
	switch outcome {
	case policy.NotMatched:
		return policy.Evaluation{Outcome: outcome, Reason: policy.NoPolicy, Detail: "no policy matches"}
	case policy.Violating:
		e.Reason, e.Detail = after[0].Reason, policy.Details(after)
	}
	return e
}

// byMode is what is said in each mode.
type byMode map[v1alpha1.Mode]said

func inEachMode(s said) byMode {
	return byMode{v1alpha1.Enforce: s, v1alpha1.Warn: s, v1alpha1.Audit: s}
}

func silent() byMode { return inEachMode(said{}) }

func onlyCounted(outcome policy.Outcome) byMode { return inEachMode(said{outcome: outcome}) }

func onlyWarned(outcome policy.Outcome) byMode {
	out := onlyCounted(outcome)
	out[v1alpha1.Enforce] = said{outcome: outcome, warnings: []string{"beware"}}
	return out
}

func notedAndWarned(outcome policy.Outcome) byMode {
	noted := said{outcome: outcome, noted: string(outcome) + " Why: adds a volume"}
	warned := noted
	warned.warnings = []string{"beware"}
	return byMode{v1alpha1.Enforce: warned, v1alpha1.Warn: warned, v1alpha1.Audit: noted}
}

// warnedBefore is for a Pod whose owner the mutating webhook has warned in mode Enforce.
func warnedBefore(outcome policy.Outcome) byMode {
	out := notedAndWarned(outcome)
	out[v1alpha1.Enforce] = out[v1alpha1.Audit]
	return out
}

func rejected(noted, words, remark string, warnings []string, found ...policy.Violation) byMode {
	outcome, _, _ := strings.Cut(noted, " ")
	base := said{outcome: policy.Outcome(outcome), noted: noted, violations: found}
	enforce, warn := base, base
	enforce.action = actionDeny
	enforce.message = `violates SharedMemoryPolicy "p": ` + words + remark
	enforce.warnings = warnings
	for _, x := range found {
		warn.warnings = append(warn.warnings, `would violate SharedMemoryPolicy "p": `+x.Detail)
	}
	warn.warnings = append(warn.warnings, warnings...)
	return byMode{v1alpha1.Enforce: enforce, v1alpha1.Warn: warn, v1alpha1.Audit: base}
}

// patchedPod is for a Pod that the mutating webhook changes.
func patchedPod() byMode {
	out := onlyCounted(policy.Mutated)
	out[v1alpha1.Enforce] = said{
		action: actionPatch, warnings: []string{"beware"}, outcome: policy.Mutated, noted: "Mutated Why: adds a volume",
	}
	return out
}

// notMutatedYet is for a Pod that lacks what the mutating webhook would have added.
func notMutatedYet() byMode {
	out := rejected("Mutated Why: adds a volume", noMount.Detail, notMutated, []string{"beware"}, noMount)
	warn := out[v1alpha1.Warn]
	warn.warnings = []string{`would violate SharedMemoryPolicy "p", which in mode enforce adds a volume`, "beware"}
	out[v1alpha1.Warn] = warn
	return out
}

// notNeeded is for a Pod that the mutating webhook would have changed, and that is right without.
func notNeeded() byMode {
	out := warnedBefore(policy.Mutated)
	enforce, warn := out[v1alpha1.Enforce], out[v1alpha1.Warn]
	enforce.outcome, enforce.noted = policy.Compliant, "Compliant AlreadySized: nothing has to change"
	warn.warnings = []string{`would be changed by SharedMemoryPolicy "p", which in mode enforce adds a volume`, "beware"}
	out[v1alpha1.Enforce], out[v1alpha1.Warn] = enforce, warn
	return out
}

// podsChanged is for a Job whose Pods a plan fixes.
func podsChanged() byMode {
	out := notedAndWarned(policy.Mutated)
	for mode, words := range map[v1alpha1.Mode]string{
		v1alpha1.Enforce: `Pods of this Job will be changed by SharedMemoryPolicy "p", which adds a volume`,
		v1alpha1.Warn:    `Pods of this Job would be changed in mode enforce by SharedMemoryPolicy "p", which adds a volume`,
	} {
		s := out[mode]
		s.warnings = []string{words, "beware"}
		out[mode] = s
	}
	return out
}

// podsRejected is for a Job whose Pods lack room and a mount.
func podsRejected() byMode {
	out := inEachMode(said{
		outcome: policy.Violating, noted: "Violating ExceedsQuota: no room: ask for more; no mount: mount one",
	})
	for mode, words := range map[v1alpha1.Mode]string{
		v1alpha1.Enforce: `Pods of this Job will be rejected, because they violate SharedMemoryPolicy "p": `,
		v1alpha1.Warn:    `Pods of this Job would violate SharedMemoryPolicy "p": `,
	} {
		s := out[mode]
		s.warnings = []string{words + noRoom.Detail, words + noMount.Detail, "beware"}
		out[mode] = s
	}
	return out
}

// Every call, outcome and combination of violations: what is said in each mode.
func TestJudge(t *testing.T) {
	more := change{memoryRose: true}
	rows := map[string]struct {
		call       call
		outcome    policy.Outcome
		after      []policy.Violation
		violations []policy.Violation
		was        previous
		want       byMode
	}{
		"a Pod to mutate that no policy matches":  {call: mutatePod, outcome: policy.NotMatched, want: silent()},
		"a Pod to mutate that is skipped":         {call: mutatePod, outcome: policy.Skipped, want: onlyWarned(policy.Skipped)},
		"a Pod to mutate that is exempt":          {call: mutatePod, outcome: policy.Exempt, want: onlyWarned(policy.Exempt)},
		"a Pod to mutate that complies":           {call: mutatePod, outcome: policy.Compliant, want: onlyWarned(policy.Compliant)},
		"a Pod to mutate that a plan fixes":       {call: mutatePod, outcome: policy.Mutated, want: patchedPod()},
		"a Pod to mutate that no plan fixes":      {call: mutatePod, outcome: policy.Violating, after: []policy.Violation{noMount}, want: onlyCounted(policy.Violating)},
		"a new Pod that no policy matches":        {call: createPod, outcome: policy.NotMatched, want: silent()},
		"a new Pod that is skipped":               {call: createPod, outcome: policy.Skipped, want: warnedBefore(policy.Skipped)},
		"a new Pod that is exempt":                {call: createPod, outcome: policy.Exempt, want: warnedBefore(policy.Exempt)},
		"a new Pod that complies":                 {call: createPod, outcome: policy.Compliant, want: warnedBefore(policy.Compliant)},
		"a new Pod that a plan would have fixed":  {call: createPod, outcome: policy.Mutated, violations: []policy.Violation{noMount}, want: notMutatedYet()},
		"a new Pod that a plan would only change": {call: createPod, outcome: policy.Mutated, want: notNeeded()},
		"a new Pod that no plan fixes, for what remains": {
			call: createPod, outcome: policy.Violating, after: []policy.Violation{noRoom, noMount},
			want: rejected("Violating ExceedsQuota: no room: ask for more; no mount: mount one",
				"no room: ask for more; no mount: mount one", "", []string{"beware"}, noRoom, noMount),
		},

		"an update to a Pod that no policy matches": {call: updatePod, outcome: policy.NotMatched, was: previous{policy: "p", violations: []policy.Violation{noMount}}, want: silent()},
		"an update to a Pod that is skipped":        {call: updatePod, outcome: policy.Skipped, want: silent()},
		"an update to a Pod that is exempt":         {call: updatePod, outcome: policy.Exempt, want: silent()},
		"an update to a Pod that complies":          {call: updatePod, outcome: policy.Compliant, want: silent()},
		"an update to a Pod that a plan would only change": {
			call: updatePod, outcome: policy.Mutated, want: silent(),
		},
		"an update that leaves a violation that a plan would fix": {
			call: updatePod, outcome: policy.Mutated, violations: []policy.Violation{noMount},
			was: previous{policy: "p", violations: []policy.Violation{noMount}}, want: silent(),
		},
		"an update that leaves a violation that no plan would fix": {
			call: updatePod, outcome: policy.Violating, after: []policy.Violation{oom}, violations: []policy.Violation{oom, tooSmall},
			was: previous{policy: "p", violations: []policy.Violation{tooSmall, oom}}, want: silent(),
		},
		"an update that brings about what a plan would fix at creation": {
			call: updatePod, outcome: policy.Mutated, violations: []policy.Violation{tooSmall, oom},
			was:  previous{policy: "p", violations: []policy.Violation{oom}},
			want: rejected("Violating TooSmall: too small: enlarge it", "too small: enlarge it", "", nil, tooSmall),
		},
		"an update that brings about what no plan fixes": {
			call: updatePod, outcome: policy.Violating, after: []policy.Violation{oom}, violations: []policy.Violation{oom, tooSmall},
			was:  previous{policy: "p"},
			want: rejected("Violating OOMBeforeFull: killed: raise the limit; too small: enlarge it", "killed: raise the limit; too small: enlarge it", "", nil, oom, tooSmall),
		},
		"an update after which another policy decides": {
			call: updatePod, outcome: policy.Violating, after: []policy.Violation{tooSmall}, violations: []policy.Violation{tooSmall},
			was:  previous{policy: "q", change: more},
			want: rejected("Violating TooSmall: too small: enlarge it", "too small: enlarge it", "", nil, tooSmall),
		},
		"the same violation of another container is another": {
			call: updatePod, outcome: policy.Violating, after: []policy.Violation{noMount}, violations: []policy.Violation{noMount},
			was:  previous{policy: "p", violations: []policy.Violation{{Reason: policy.NoMount, Container: "other"}}},
			want: rejected("Violating NoMount: no mount: mount one", "no mount: mount one", "", nil, noMount),
		},
		"an update to a Pod that is being deleted, with violations that a plan would fix": {
			call: updatePod, outcome: policy.Mutated, violations: []policy.Violation{tooSmall}, was: previous{policy: "p", deleted: true}, want: silent(),
		},
		"an update to a Pod that is being deleted, with violations that no plan fixes": {
			call: updatePod, outcome: policy.Violating, after: []policy.Violation{oom}, violations: []policy.Violation{oom}, was: previous{policy: "p", deleted: true}, want: silent(),
		},
		"more memory, of which the size is a part": {
			call: updatePod, outcome: policy.Mutated, violations: []policy.Violation{tooSmall, clamped},
			was: previous{policy: "p", change: more}, want: silent(),
		},
		"more memory, and something else that is wrong": {
			call: updatePod, outcome: policy.Violating, after: []policy.Violation{oom}, violations: []policy.Violation{tooSmall, oom},
			was:  previous{policy: "p", change: more},
			want: rejected("Violating OOMBeforeFull: killed: raise the limit", "killed: raise the limit", "", nil, oom),
		},
		"more memory in one container and less in another, which clamps the volume": {
			call: updatePod, outcome: policy.Violating, after: []policy.Violation{tooSmall}, violations: []policy.Violation{tooSmall, clamped},
			was:  previous{policy: "p", change: change{memoryRose: true, memoryFell: true}},
			want: rejected("Violating ClampedByMemoryLimit: clamped: raise the limit", "clamped: raise the limit", "", nil, clamped),
		},
		"more memory and a smaller volume": {
			call: updatePod, outcome: policy.Mutated, violations: []policy.Violation{tooSmall},
			was:  previous{policy: "p", change: change{memoryRose: true, volumeShrank: true}},
			want: rejected("Violating TooSmall: too small: enlarge it", "too small: enlarge it", "", nil, tooSmall),
		},
		"less memory": {
			call: updatePod, outcome: policy.Mutated, violations: []policy.Violation{clamped},
			was:  previous{policy: "p", change: change{memoryFell: true}},
			want: rejected("Violating ClampedByMemoryLimit: clamped: raise the limit", "clamped: raise the limit", "", nil, clamped),
		},

		"a workload that no policy matches":      {call: applyWorkload, outcome: policy.NotMatched, want: silent()},
		"a workload that is skipped":             {call: applyWorkload, outcome: policy.Skipped, want: notedAndWarned(policy.Skipped)},
		"a workload that is exempt":              {call: applyWorkload, outcome: policy.Exempt, want: notedAndWarned(policy.Exempt)},
		"a workload that complies":               {call: applyWorkload, outcome: policy.Compliant, want: notedAndWarned(policy.Compliant)},
		"a workload whose Pods will be changed":  {call: applyWorkload, outcome: policy.Mutated, want: podsChanged()},
		"a workload whose Pods will be rejected": {call: applyWorkload, outcome: policy.Violating, after: []policy.Violation{noRoom, noMount}, want: podsRejected()},
	}
	covered := map[string]bool{}
	for name, row := range rows {
		covered[combination(row.call, row.outcome, len(row.violations) > 0)] = true
		for _, mode := range []v1alpha1.Mode{v1alpha1.Enforce, v1alpha1.Warn, v1alpha1.Audit} {
			t.Run(name+"/"+string(mode), func(t *testing.T) {
				a := &attributes{
					call: row.call, mode: mode, kind: "Job",
					evaluation: evaluated(row.outcome, row.after...), violations: row.violations, previous: row.was,
				}
				want, found := row.want[mode]
				if !found {
					t.Fatal("the row does not say what happens in this mode")
				}
				if diff := cmp.Diff(want, sayingOf(judge(a)), cmp.AllowUnexported(said{})); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
	for _, want := range combinations() {
		if !covered[want] {
			t.Errorf("no row is about %s", want)
		}
	}
}

func combination(c call, outcome policy.Outcome, violates bool) string {
	return fmt.Sprintf("call %d, outcome %s, violations known and there: %t", c, outcome, violates)
}

// combinations returns what a handler can ask. Violations of the object as it is are asked for
// where needsViolations says so, and an object that no plan fixes always has some.
func combinations() []string {
	var out []string
	for _, c := range []call{mutatePod, createPod, updatePod, applyWorkload} {
		for _, outcome := range []policy.Outcome{
			policy.NotMatched, policy.Skipped, policy.Exempt, policy.Compliant, policy.Mutated, policy.Violating,
		} {
			validates := c == createPod || c == updatePod
			if validates && outcome == policy.Mutated {
				out = append(out, combination(c, outcome, true))
			}
			out = append(out, combination(c, outcome, c == updatePod && outcome == policy.Violating))
		}
	}
	return out
}

// A message has a bounded length, whatever is wrong with the Pod.
func TestJudge_LongDetails(t *testing.T) {
	var after []policy.Violation
	for range 500 {
		after = append(after, policy.Violation{Reason: policy.NoMount, Detail: strings.Repeat("x", 500)})
	}
	v := judge(&attributes{call: createPod, mode: v1alpha1.Enforce, evaluation: evaluated(policy.Violating, after...)})
	if len(v.message) > 4<<10 || !strings.HasSuffix(v.message, "; and 494 more") {
		t.Errorf("the message has %d bytes and ends in %q", len(v.message), v.message[len(v.message)-40:])
	}
	r := deny(v.message, v.violations, nil, nil)
	if n := len(r.Result.Details.Causes); n != mostCauses {
		t.Errorf("%d causes", n)
	}
}

func TestChangeOf(t *testing.T) {
	const was = `
spec:
  containers:
  - {name: a, resources: {limits: {memory: 256Mi}, requests: {memory: 128Mi}}}
  - {name: b, resources: {requests: {memory: 64Mi}}}
  - {name: c}
  initContainers: [{name: i, restartPolicy: Always, resources: {limits: {memory: 32Mi}}}]
  volumes:
  - {name: bounded, emptyDir: {medium: Memory, sizeLimit: 256Mi}}
  - {name: unbounded, emptyDir: {medium: Memory, sizeLimit: "0"}}
  - {name: none, emptyDir: {medium: Memory}}
  - {name: other, hostPath: {path: /}}
`
	for name, c := range map[string]struct {
		from, to string
		want     change
	}{
		"nothing":                             {"", "", change{}},
		"an equal size in other words":        {"sizeLimit: 256Mi", `sizeLimit: "268435456"`, change{}},
		"a larger sizeLimit":                  {"sizeLimit: 256Mi", "sizeLimit: 257Mi", change{}},
		"a smaller sizeLimit":                 {"sizeLimit: 256Mi", "sizeLimit: 255Mi", change{volumeShrank: true}},
		"a sizeLimit that is removed":         {", sizeLimit: 256Mi", "", change{}},
		"a sizeLimit for a volume that had 0": {`sizeLimit: "0"`, "sizeLimit: 1Ei", change{volumeShrank: true}},
		"a sizeLimit for a volume without":    {"{name: none, emptyDir: {medium: Memory}}", "{name: none, emptyDir: {medium: Memory, sizeLimit: 1Ei}}", change{volumeShrank: true}},
		"a volume that is gone":               {"- {name: none, emptyDir: {medium: Memory}}", "", change{volumeShrank: true}},
		"a higher limit":                      {"limits: {memory: 256Mi}", "limits: {memory: 257Mi}", change{memoryRose: true}},
		"a lower limit":                       {"limits: {memory: 256Mi}", "limits: {memory: 255Mi}", change{memoryFell: true}},
		"a lower limit of a sidecar":          {"limits: {memory: 32Mi}", "limits: {memory: 31Mi}", change{memoryFell: true}},
		"a higher request beside a limit":     {"requests: {memory: 128Mi}", "requests: {memory: 129Mi}", change{}},
		"a higher request without a limit":    {"requests: {memory: 64Mi}", "requests: {memory: 65Mi}", change{memoryRose: true}},
		"a lower request without a limit":     {"requests: {memory: 64Mi}", "requests: {memory: 63Mi}", change{memoryFell: true}},
		"memory if there was none":            {"{name: c}", "{name: c, resources: {limits: {memory: 1Mi}}}", change{memoryRose: true}},
		"no memory if there was some":         {", resources: {requests: {memory: 64Mi}}", "", change{memoryFell: true}},
		"a pod-level limit":                   {"spec:\n", "spec:\n  resources: {limits: {memory: 1Gi}}\n", change{memoryRose: true}},
		"a debug container":                   {"spec:\n", "spec:\n  ephemeralContainers: [{name: d}]\n", change{}},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(was, c.from) {
				t.Fatalf("the Pod does not contain %q", c.from)
			}
			got := changeOf(readView(t, was), readView(t, strings.Replace(was, c.from, c.to, 1)))
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(change{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func readView(t *testing.T, text string) *policy.PodView {
	t.Helper()
	pod := &policy.PodView{}
	if err := yaml.Unmarshal([]byte(text), pod); err != nil {
		t.Fatal(err)
	}
	return pod
}
