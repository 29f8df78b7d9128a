package policy_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The size of the writers' file system, and what the policy would give; all policies give 256Mi where they give any.
func TestEvaluation_Sizes(t *testing.T) {
	const (
		web  = "{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 256Mi}}}"
		none = "{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 256Mi}}, mutation: Disabled}"
		only = "{match: [{podSelector: {matchLabels: {app: web}}}]}"
		both = "{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [w*]}, existing: Leave}"
		host = "{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 256Mi}}, hostShm: Denied}"

		path = "{match: [{tmpfsPaths: Detect}], sizing: {fixed: {size: 256Mi}}}"

		memory = "{medium: Memory, sizeLimit: 512Mi}"
		a      = "{name: a, image: a"
		at     = "volumeMounts: [{name: shm, mountPath: /dev/shm}]}"
		ours   = `{shmkeeper.dev/injected: '{"volume":"shm"}'}`
	)
	pod := func(annotations, volume, containers string) string {
		text := "{metadata: {name: p, namespace: n, labels: {app: web}, annotations: " + annotations + "}, spec: {containers: [" + containers + "]"
		if volume != "" {
			text += ", volumes: [{name: shm, " + volume + "}]"
		}
		return text + "}}"
	}
	// injected is a note of so many bytes.
	injected := func(length int) string {
		note := `{"volume":"shm"}`
		return "{shmkeeper.dev/injected: '" + note + strings.Repeat(" ", length-len(note)) + "'}"
	}
	emptyDir := func(spec string) string { return "emptyDir: " + spec }
	const mi = sizing.MiB
	for name, c := range map[string]struct {
		policy, pod    string
		outcome        policy.Outcome
		current, given sizing.Bytes
	}{
		"no policy matches":                    {web, "{metadata: {name: p}, spec: {containers: [" + a + "}]}}", policy.NotMatched, 0, 0},
		"nothing is mounted":                   {web, pod("{}", "", a+"}"), policy.Mutated, 64 * mi, 256 * mi},
		"too small a volume":                   {web, pod("{}", emptyDir("{medium: Memory, sizeLimit: 128Mi}"), a+", "+at), policy.Mutated, 128 * mi, 256 * mi},
		"a larger one of the owner's":          {web, pod("{}", emptyDir(memory), a+", "+at), policy.Compliant, 512 * mi, 512 * mi},
		"one that was added":                   {web, pod(ours, emptyDir(memory), a+", "+at), policy.Compliant, 512 * mi, 256 * mi},
		"one that was added, of today's size":  {web, pod(ours, emptyDir("{medium: Memory, sizeLimit: 256Mi}"), a+", "+at), policy.Compliant, 256 * mi, 256 * mi},
		"another one was added":                {web, pod(`{shmkeeper.dev/injected: '{"volume":"other"}'}`, emptyDir(memory), a+", "+at), policy.Compliant, 512 * mi, 512 * mi},
		"a note without a volume":              {web, pod(`{shmkeeper.dev/injected: '{}'}`, emptyDir(memory), a+", "+at), policy.Compliant, 512 * mi, 512 * mi},
		"an invalid note":                      {web, pod(`{shmkeeper.dev/injected: 'shm'}`, emptyDir(memory), a+", "+at), policy.Compliant, 512 * mi, 512 * mi},
		"a note that begins well":              {web, pod(`{shmkeeper.dev/injected: '{"volume":"shm","pod":1}'}`, emptyDir(memory), a+", "+at), policy.Compliant, 512 * mi, 512 * mi},
		"the longest note":                     {web, pod(injected(16<<10), emptyDir(memory), a+", "+at), policy.Compliant, 512 * mi, 256 * mi},
		"a longer note":                        {web, pod(injected(16<<10+1), emptyDir(memory), a+", "+at), policy.Compliant, 512 * mi, 512 * mi},
		"added below the mount path":           {web, pod(ours, emptyDir(memory), a+", volumeMounts: [{name: shm, mountPath: /dev/shm/x}]}"), policy.Mutated, 64 * mi, 256 * mi},
		"added, and the policy changes no Pod": {none, pod(ours, emptyDir(memory), a+", "+at), policy.Compliant, 512 * mi, 512 * mi},
		"added, and the policy has no size":    {only, pod(ours, emptyDir(memory), a+", "+at), policy.Compliant, 512 * mi, 512 * mi},
		"rejected":                             {none, pod("{}", "", a+"}"), policy.Violating, 64 * mi, 256 * mi},
		"rejected by a policy without a size":  {only, pod("{}", emptyDir(memory), a+", volumeMounts: [{name: shm, mountPath: /dev/shm, readOnly: true}]}"), policy.Violating, 512 * mi, 512 * mi},
		"rejected, with a disk there":          {web, pod("{}", emptyDir("{}"), a+", "+at), policy.Violating, 0, 256 * mi},
		"rejected, with the node's":            {host, pod("{}", "hostPath: {path: /dev/shm}", a+", "+at), policy.Violating, 0, 256 * mi},
		"matched by a guess, and left":         {path, pod(ours, emptyDir("{medium: Memory, sizeLimit: 128Mi}"), a+", args: [--cache=/dev/shm], "+at), policy.Skipped, 128 * mi, 128 * mi},
		"two volumes, the added one below": {
			web,
			`{metadata: {name: p, labels: {app: web}, annotations: ` + ours + `}, spec: {volumes: [{name: own, emptyDir: ` + memory + `}, {name: shm, emptyDir: {medium: Memory, sizeLimit: 300Mi}}],
			  containers: [{name: a, image: a, volumeMounts: [{name: own, mountPath: /dev/shm}, {name: shm, mountPath: /dev/shm/x}]}]}}`,
			policy.Compliant, 512 * mi, 512 * mi,
		},
		"the volume is another container's": {both, pod("{}", emptyDir(memory), a+", "+at+", {name: w, image: w}"), policy.Mutated, 64 * mi, 256 * mi},
		"the writer is the second":          {both, pod("{}", emptyDir(memory), a+"}, {name: w, image: w, "+at), policy.Compliant, 512 * mi, 512 * mi},
		"a volume below the path":           {none, pod("{}", emptyDir(memory), a+", volumeMounts: [{name: shm, mountPath: /dev/shm/x}]}"), policy.Violating, 64 * mi, 256 * mi},
		"the smaller of two writers":        {both, pod("{}", emptyDir(memory), "{name: w1, image: w, "+at+", {name: w2, image: w}"), policy.Mutated, 64 * mi, 256 * mi},
		"the smaller of two, the other way": {both, pod("{}", emptyDir(memory), "{name: w1, image: w}, {name: w2, image: w, "+at), policy.Mutated, 64 * mi, 256 * mi},
		"what the Pod's limit leaves of it": {web, pod("{}", emptyDir(memory), a+", resources: {limits: {memory: 400Mi}}, "+at), policy.Violating, 400 * mi, 256 * mi},
	} {
		t.Run(name, func(t *testing.T) {
			p := readPolicy(t, c.policy)
			compiled, errs := policy.Compile(p)
			if len(errs) > 0 {
				t.Fatal(errs.ToAggregate())
			}
			subject, _ := policy.NewSubject(policytest.ParsePod(c.pod))
			e := policy.NewSet(compiled).Evaluate(subject)
			current, given := e.Sizes()
			if e.Outcome != c.outcome || current != c.current || given != c.given {
				t.Errorf("%s: %s, and would be %s; want %s: %s, %s\n%s", e.Outcome, current, given, c.outcome, c.current, c.given, e.Detail)
			}
		})
	}
}

func TestPolicy_Files(t *testing.T) {
	for text, want := range map[string]struct {
		rate float64
		page sizing.Bytes
		ok   bool
	}{
		`{files: {createdPerMinute: "18", retention: 1h, fileSize: 1500}, pageSize: 64Ki}`: {18, 64 << 10, true},
		`{fixed: {size: 1Gi}}`: {},
		``:                     {},
	} {
		p := readPolicy(t, "{match: [{podSelector: {}}]}")
		if text != "" {
			p.Spec.Sizing = new(v1alpha1.Sizing)
			if err := yaml.UnmarshalStrict([]byte(text), p.Spec.Sizing); err != nil {
				t.Fatal(err)
			}
		}
		compiled, errs := policy.Compile(p)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		if files, page, ok := compiled.Files(); files.CreatedPerMinute != want.rate || page != want.page || ok != want.ok {
			t.Errorf("%s: %+v, %s, %t", text, files, page, ok)
		}
	}
	if _, _, ok := (policy.Policy{}).Files(); ok {
		t.Error("the zero Policy has files")
	}
}
