package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Sizes that depend on the Pod, and what is said if it does not have what they depend on.
func TestEvaluate_SizeFromThePod(t *testing.T) {
	const (
		cameras   = "{match: [{podSelector: {}}], sizing: {min: 1Mi, units: {base: 40Mi, each: 64Mi, count: {annotation: cameras, absent: 2}}}, memory: {handling: Ignore}}"
		gpus      = "{match: [{podSelector: {}}], sizing: {min: 1Mi, units: {base: 40Mi, each: 64Mi, count: {resources: [a.example/gpu, 'b.example/*'], absent: 3}}}, writers: {names: ['web*']}, memory: {handling: Ignore}}"
		percent   = "{match: [{podSelector: {}}], sizing: {min: 1Mi, memoryPercent: {percent: 50}}, writers: {names: ['web*']}, memory: {handling: Ignore}}"
		raised    = "{match: [{podSelector: {}}], sizing: {min: 1Mi, memoryPercent: {percent: 50}}, writers: {names: ['web*']}}"
		noAnswer  = ", counted as 3 by policy \"p\": if the Pod has some, set annotation shmkeeper.dev/size-limit to what they need"
		noWriter  = `no a.example/gpu, b.example/* in the writers`
		notWhole  = `, not a whole number, counted as 2 by policy "p": write the count there, such as "4"`
		isAbsent  = `annotation cameras is absent, counted as 2 by policy "p": write the count there, such as "4"`
		nothing   = `policy "p" takes 50% of the memory limit, and no writer has a limit or request, so the size is the smallest that the policy gives, 1Mi: set a memory limit`
		container = "{spec: {containers: [{name: web}]}}"
	)
	patterns := func(n int) string {
		return "{match: [{podSelector: {}}], sizing: {min: 1Mi, units: {base: 40Mi, each: 64Mi, count: {resources: [" +
			strings.Join(strings.Split("abcde", "")[:n], ", ") + "], absent: 3}}}, memory: {handling: Ignore}}"
	}
	resources := func(text string) string {
		return "{spec: {containers: [{name: web, resources: {" + text + "}}]}}"
	}
	annotated := func(text string) string {
		return "{metadata: {annotations: {cameras: '" + text + "'}}, spec: {containers: [{name: web}]}}"
	}
	for name, c := range map[string]struct {
		policy, pod string
		want        sizing.Bytes // in MiB
		warning     string
	}{
		"a count by annotation":                       {cameras, annotated("4"), 296, ""},
		"a count of zero":                             {cameras, annotated("0"), 40, ""},
		"a negative count":                            {cameras, annotated("-1"), 168, `annotation cameras is "-1"` + notWhole},
		"a count with a fraction":                     {cameras, annotated("1.5"), 168, `annotation cameras is "1.5"` + notWhole},
		"a count of 32 digits":                        {cameras, annotated(strings.Repeat("0", 31) + "4"), 296, ""},
		"a count of 33 digits":                        {cameras, annotated(strings.Repeat("0", 32) + "4"), 168, `annotation cameras is "` + strings.Repeat("0", 32) + `4"` + notWhole},
		"no count":                                    {cameras, container, 168, isAbsent},
		"resources of a limit":                        {gpus, resources("limits: {a.example/gpu: 2}"), 168, ""},
		"resources of a request":                      {gpus, resources("requests: {a.example/gpu: 2}"), 168, ""},
		"resources of a limit and its request":        {gpus, resources("limits: {a.example/gpu: 2}, requests: {a.example/gpu: 2}"), 168, ""},
		"resources of two kinds":                      {gpus, resources("limits: {a.example/gpu: 2}, requests: {b.example/x: 1, c.example/y: 5}"), 232, ""},
		"resources of two writers":                    {gpus, "{spec: {containers: [{name: other, resources: {limits: {a.example/gpu: 9}}}, {name: web, resources: {limits: {a.example/gpu: 2}}}, {name: web-2, resources: {limits: {b.example/gpu: 1}}}]}}", 232, ""},
		"resources of a count of zero":                {gpus, resources("limits: {a.example/gpu: 0}"), 232, noWriter + noAnswer},
		"resources of other kinds":                    {gpus, resources("limits: {c.example/gpu: 2}"), 232, noWriter + noAnswer},
		"no resources":                                {gpus, container, 232, noWriter + noAnswer},
		"a claim whose content is not known":          {gpus, resources("claims: [{name: gpu}]"), 232, noWriter + `, and what the resource claims "gpu" stand for is not known` + noAnswer},
		"claims of which each is named once, to four": {gpus, "{spec: {containers: [{name: other, resources: {claims: [{name: z}]}}, {name: web, resources: {claims: [{name: a}, {name: b}]}}, {name: web-2, resources: {claims: [{name: b}, {name: c}, {name: d}, {name: e}]}}]}}", 232, noWriter + `, and what the resource claims "a", "b", "c", "d" stand for is not known` + noAnswer},
		"three patterns":                              {patterns(3), container, 232, "no a, b, c in the writers" + noAnswer},
		"four patterns":                               {patterns(4), container, 232, "no a, b, c or 1 other resources in the writers" + noAnswer},
		"five patterns":                               {patterns(5), container, 232, "no a, b, c or 2 other resources in the writers" + noAnswer},
		"a share of the limit":                        {percent, resources("limits: {memory: 1Gi}, requests: {memory: 64Mi}"), 512, ""},
		"a share of the request":                      {percent, resources("requests: {memory: 64Mi}"), 32, ""},
		"a share in whole MiB":                        {percent, resources("limits: {memory: 129Mi}"), 64, ""},
		"a share of the largest limit":                {percent, "{spec: {containers: [{name: web, resources: {limits: {memory: 100Mi}}}, {name: web-2, resources: {limits: {memory: 200Mi}}}, {name: web-3, resources: {limits: {memory: 100Mi}}}, {name: other, resources: {limits: {memory: 400Mi}}}]}}", 100, ""},
		"a share of the pod-level limit":              {percent, "{spec: {resources: {limits: {memory: 1Gi}}, containers: [{name: web}]}}", 512, ""},
		"a share of a writer's limit, not the Pod's":  {percent, "{spec: {resources: {limits: {memory: 1Gi}}, containers: [{name: web, resources: {limits: {memory: 200Mi}}}]}}", 100, ""},
		"a share of the pod-level request":            {percent, "{spec: {resources: {requests: {memory: 100Mi}}, containers: [{name: web}]}}", 50, ""},
		"a share of nothing":                          {percent, container, 1, nothing},
		"a share of a limit of 0":                     {percent, resources("limits: {memory: '0'}"), 1, nothing},
		// 200Mi cost 201Mi.
		"a share of the pod-level limit without what is mounted": {percent, "{spec: {resources: {limits: {memory: 501Mi}}, containers: [{name: web, volumeMounts: [{name: a, mountPath: /dev/shm/a}]}], volumes: [{name: a, emptyDir: {medium: Memory, sizeLimit: 200Mi}}]}}", 150, ""},
		"a share of less than the reserve that a raise adds":     {raised, resources("limits: {memory: 16Mi}, requests: {memory: 16Mi}"), 16, ""},
		"a share of less than the reserve":                       {percent, resources("limits: {memory: 16Mi}, requests: {memory: 16Mi}"), 8, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, c.policy, c.pod, "", "")
			e, _ := w.evaluate(t)
			if e.Size.Limit != c.want*sizing.MiB {
				t.Errorf("a size of %s, want %dMi", e.Size.Limit, c.want)
			}
			var warnings []string
			for _, text := range e.Warnings {
				if strings.Contains(text, "counted as") || strings.Contains(text, "policy \"p\" takes") {
					warnings = append(warnings, text)
				}
			}
			if diff := cmp.Diff(c.warning, strings.Join(warnings, "; ")); diff != "" {
				t.Errorf("-want +got:\n%s\n%s", diff, told(&e))
			}
		})
	}
}
