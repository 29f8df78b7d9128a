package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/policy"
)

// What a person reads who has to find room for a volume: the first sentence, word for word. 256Mi
// cost 257Mi, 255Mi cost 256Mi and 512Mi cost 514Mi; a writer needs 32Mi more.
func TestEvaluate_Remedies(t *testing.T) {
	const (
		fixed   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}"
		unused  = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi, expectedUsePercent: 0}}, writers: {names: [web]}}"
		require = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Require}}"
		web     = "{spec: {containers: [{name: web, resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}]}}"
		ask     = "ask the namespace's administrator for more memory"
		needs   = `the Pod would need 769Mi of limits.memory, of which 257Mi are for a /dev/shm of 256Mi, and ResourceQuota "q" leaves 768Mi of its 768Mi: `
		killed  = `container "web" would be OOM-killed before the volume is full: `
		again   = ", so each restart is OOM-killed again: "
	)
	allowed := func(least string) string {
		return "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}, min: " + least + "}, overrides: Allowed}"
	}
	quota := func(hard string) string {
		return "{metadata: {name: q}, status: {hard: {limits.memory: " + hard + "}, used: {limits.memory: '0'}}}"
	}
	highest := func(most string) string {
		return "{metadata: {name: l}, spec: {limits: [{type: Container, max: {memory: " + most + "}}]}}"
	}
	ratio := func(most string) string {
		return "{metadata: {name: l}, spec: {limits: [{type: Pod, maxLimitRequestRatio: {memory: '" + most + "'}}]}}"
	}
	own := func(limit, mounts, volumes string) string {
		return "{spec: {containers: [{name: web, resources: {limits: {memory: " + limit + "}, requests: {memory: 1Mi}}, volumeMounts: [" + mounts + "]}], volumes: [" + volumes + "]}}"
	}
	const (
		at    = "{name: shm, mountPath: /dev/shm}"
		below = "{name: cache, mountPath: /dev/shm/cache}"
	)
	volume := func(name, size string) string {
		return "{name: " + name + ", emptyDir: {medium: Memory, sizeLimit: " + size + "}}"
	}
	for name, c := range map[string]struct{ policy, pod, limitRange, quota, want string }{
		"a quota has room for a MiB less": {
			fixed, web, "", quota("768Mi"), needs + "the largest size that would fit is 255Mi: " + ask,
		},
		"a quota has room for a MiB less, which the owner may ask for": {
			allowed("64Mi"), web, "", quota("768Mi"),
			needs + "the largest size that would fit is 255Mi: set annotation shmkeeper.dev/size-limit: 255Mi if that is enough, or " + ask,
		},
		"a quota has room for the smallest size that the owner may ask for": {
			allowed("255Mi"), web, "", quota("768Mi"),
			needs + "the largest size that would fit is 255Mi: set annotation shmkeeper.dev/size-limit: 255Mi if that is enough, or " + ask,
		},
		"a quota has room for less than the owner may ask for": {
			allowed("256Mi"), web, "", quota("768Mi"), needs + "the largest size that would fit is 255Mi: " + ask,
		},
		// 75Mi cost 76Mi.
		"a quota has room for less than is mounted below the path": {
			fixed, own("1Gi", below, volume("cache", "200Mi")), "", quota("1100Mi"),
			`the Pod would need 1281Mi of limits.memory, of which 257Mi are for a /dev/shm of 256Mi, and ResourceQuota "q" leaves 1100Mi of its 1100Mi: the largest size that would fit is 75Mi: ` + ask,
		},
		"a quota has too little room for what CRI-O's annotation asks for": {
			fixed, "{metadata: {annotations: {shm-size.crio.io: 512Mi}}, " + web[1:], "", quota("768Mi"),
			`the Pod would need 769Mi of limits.memory, of which 257Mi are for a /dev/shm of 512Mi, and ResourceQuota "q" leaves 768Mi of its 768Mi: the largest size that would fit is 255Mi: ` + ask,
		},
		"a LimitRange has room for what the runtime gives": { // 64Mi cost 65Mi
			fixed, web, highest("577Mi"), "",
			`the memory of container "web" would have to be 769Mi for a /dev/shm of 256Mi, and LimitRange "l" allows a container at most 577Mi: the largest size that would fit is 64Mi: ` + ask,
		},
		"a LimitRange has room for less than the runtime gives": {
			fixed, web, highest("576Mi"), "",
			`the memory of container "web" would have to be 769Mi for a /dev/shm of 256Mi, and LimitRange "l" allows a container at most 576Mi: no size would fit: ` + ask,
		},
		"a ratio over the Pod": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [web]}}",
			"{spec: {containers: [{name: web, resources: {limits: {memory: 512Mi}, requests: {memory: 64Mi}}}, {name: other, resources: {limits: {memory: 4Gi}, requests: {memory: 64Mi}}}]}}",
			ratio("2"), "",
			`the Pod's memory would have to be 4865Mi with a request of 833Mi for a /dev/shm of 256Mi, and LimitRange "l" allows a Pod at most 2 times the request: no size would fit: ` + ask,
		},
		"a ratio below one, which no request keeps": {
			unused,
			"{spec: {resources: {requests: {memory: 612Mi}}, containers: [{name: web, resources: {limits: {memory: 512Mi}, requests: {memory: 512Mi}}}, {name: other, resources: {limits: {memory: 100Mi}, requests: {memory: 100Mi}}}]}}",
			ratio("0.5"), "",
			`the Pod's memory would have to be 869Mi with a request of 869Mi for a /dev/shm of 256Mi, and LimitRange "l" allows a Pod at most 500m times the request: no size would fit: ` + ask,
		},
		"a larger volume than the policy asks for, and too low a limit": {
			require, own("270Mi", at, volume("shm", "512Mi")), "", "",
			killed + `270Mi of files at /dev/shm cost 271Mi with their kernel memory, and its memory limit is 270Mi, which must hold 32Mi for the process too; the files outlive it and use up the Pod's 270Mi` + again +
				`lower the sizeLimit of volume "shm" to 256Mi and raise the memory limit to 289Mi, or raise the memory limit to at least 546Mi`,
		},
		"a larger volume than the policy asks for, and a limit that is a MiB too low": {
			require, own("288Mi", at, volume("shm", "512Mi")), "", "",
			killed + `288Mi of files at /dev/shm cost 289Mi with their kernel memory, and its memory limit is 288Mi, which must hold 32Mi for the process too; the files outlive it and use up the Pod's 288Mi` + again +
				`lower the sizeLimit of volume "shm" to 256Mi and raise the memory limit to 289Mi, or raise the memory limit to at least 546Mi`,
		},
		"a larger volume than the policy asks for, and a limit for that": {
			require, own("289Mi", at, volume("shm", "512Mi")), "", "",
			killed + `289Mi of files at /dev/shm cost 290Mi with their kernel memory, and its memory limit is 289Mi, which must hold 32Mi for the process too; the files outlive it and use up the Pod's 289Mi` + again +
				`lower the sizeLimit of volume "shm" to 256Mi, which is enough, or raise the memory limit to at least 546Mi`,
		},
		"a larger volume than the policy pays for": {
			fixed, own("200Mi", at, volume("shm", "512Mi")), "", "",
			killed + `200Mi of files at /dev/shm cost 201Mi with their kernel memory, and its memory limit is 200Mi, which must hold 32Mi for the process too; the files outlive it and use up the Pod's 200Mi` + again +
				`lower the sizeLimit of volume "shm" to 256Mi, which is enough, or raise the memory limit to at least 546Mi`,
		},
		"volumes at the path and below it": { // 300Mi cost 301Mi
			require, own("400Mi", at+", "+below, volume("shm", "256Mi")+", "+volume("cache", "300Mi")), "", "",
			killed + `556Mi of files at /dev/shm and below cost 558Mi with their kernel memory, and its memory limit is 400Mi, which must hold 32Mi for the process too; the files outlive it and use up the Pod's 400Mi` + again +
				`raise the memory limit to at least 590Mi`,
		},
		"a volume below one without sizeLimit": {
			require, own("256Mi", at+", "+below, "{name: shm, emptyDir: {medium: Memory}}, "+volume("cache", "512Mi")), "", "",
			killed + `256Mi of files at /dev/shm/cache cost 257Mi with their kernel memory, and its memory limit is 256Mi, which must hold 32Mi for the process too; the files outlive it and use up the Pod's 256Mi` + again +
				`raise the memory limit to at least 546Mi`,
		},
		"the writer remounts /dev/shm": {
			fixed, "{spec: {containers: [{name: web, command: [sh, -c, 'mount -o remount,size=1G /dev/shm'], securityContext: {privileged: true}}]}}", "", "",
			`container "web" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: container "web" remounts it, so no volume was added: mount a Memory emptyDir with sizeLimit: 256Mi there and remove the remount, or ask the policy's administrator for an exemption`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, c.policy, c.pod, c.limitRange, c.quota)
			e, _ := w.evaluate(t)
			if e.Outcome != policy.Violating {
				t.Fatalf("want %s, got %s", policy.Violating, w.told(&e))
			}
			if diff := cmp.Diff(c.want, e.After[0].Detail); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Of many LimitRanges and quotas that stand in the way eight are named.
func TestEvaluate_NamesEightBlockers(t *testing.T) {
	w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}",
		"{spec: {containers: [{name: web, resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}]}}",
		"{metadata: {name: l}, spec: {limits: [{type: Container, max: {memory: 600Mi}}]}}",
		"{metadata: {name: q}, status: {hard: {limits.memory: 600Mi}, used: {limits.memory: '0'}}}")
	count := func(ranges, quotas int) (limitRange, quota int) {
		many := *w
		many.limitRanges, many.quotas = nil, nil
		for range ranges {
			many.limitRanges = append(many.limitRanges, w.limitRanges[0])
		}
		for range quotas {
			many.quotas = append(many.quotas, w.quotas[0])
		}
		e, _ := many.evaluate(t)
		for _, v := range e.After {
			switch v.Reason {
			case policy.ExceedsLimitRange:
				limitRange++
			case policy.ExceedsQuota:
				quota++
			}
		}
		return limitRange, quota
	}
	for _, c := range []struct{ ranges, quotas, wantRanges, wantQuotas int }{
		{1, 1, 1, 1}, {5, 5, 5, 3}, {8, 1, 8, 0}, {9, 0, 8, 0}, {0, 9, 0, 8}, {7, 1, 7, 1},
	} {
		if ranges, quotas := count(c.ranges, c.quotas); ranges != c.wantRanges || quotas != c.wantQuotas {
			t.Errorf("%d LimitRanges and %d quotas: %d and %d are named, want %d and %d",
				c.ranges, c.quotas, ranges, quotas, c.wantRanges, c.wantQuotas)
		}
	}
}

// LimitRanger compares thousandths, and whole numbers if there are too many.
func TestExceedsRatio(t *testing.T) {
	const huge = 9_300_000_000_000_000 // more than 2^63 / 1000
	for _, c := range []struct {
		limit, request int64
		ratio          string
		want           bool
	}{
		{3, 2, "1.5", false},
		{3, 2, "1499m", true},
		{4, 2, "2", false},
		{5, 2, "2", true},
		{1, 0, "1000", true},
		{huge, 1, "9300000000000000", false},
		{huge + 1000, 1, "9300000000000000", true},
		{1, 1, "9300000000000000", false},
	} {
		if got := policy.ExceedsRatio(c.limit, c.request, *quantity(c.ratio)); got != c.want {
			t.Errorf("a limit of %d beside a request of %d, and a ratio of %s: %t, want %t", c.limit, c.request, c.ratio, got, c.want)
		}
	}
}
