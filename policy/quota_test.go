package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
)

func readQuota(t testing.TB, text string) *corev1.ResourceQuota {
	t.Helper()
	var q corev1.ResourceQuota
	if err := yaml.UnmarshalStrict([]byte(text), &q); err != nil {
		t.Fatal(err)
	}
	return &q
}

func TestAQuotaThatTheRaiseExceedsIsNamed(t *testing.T) {
	const (
		web    = "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}]}}"
		limits = `the Pod needs 768.6Mi of limits.memory, of which shmkeeper adds 256.6Mi for a /dev/shm of 256Mi, and ResourceQuota "small" leaves 600Mi of its 600Mi: ` +
			`raise limits.memory under spec.hard of the ResourceQuota to at least 769Mi, or lower the size by a lower sizing.fixed`
		added  = `adds a Memory emptyDir of 256Mi, mounts it at /dev/shm in "web", raises the memory limit of "web" from 512Mi to 768.6Mi and its request from 128Mi to 384.6Mi`
		record = `{"policy":"p","volume":"shmkeeper-shm","sizeLimit":"256Mi","memory":{"web":{"limit":805923704,"request":403270520,"limitAdded":269052792,"requestAdded":269052792,"charge":269052792}}}`
		raised = "{metadata: {annotations: {shmkeeper.dev/injected: '" + record + "'}}, spec: {containers: [{name: web, image: web, " +
			"resources: {limits: {memory: '805923704'}, requests: {memory: '403270520'}}, volumeMounts: [{name: shmkeeper-shm, mountPath: /dev/shm}]}], " +
			"volumes: [{name: shmkeeper-shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}]}}"
	)
	for name, c := range map[string]struct {
		pod    string
		quotas []string
		detail string
	}{
		"what is used by others is not left": {
			pod:    web,
			quotas: []string{"{metadata: {name: small}, status: {hard: {limits.memory: 2Gi}, used: {limits.memory: 1400Mi}}}"},
			detail: `the Pod needs 768.6Mi of limits.memory, of which shmkeeper adds 256.6Mi for a /dev/shm of 256Mi, and ResourceQuota "small" leaves 648Mi of its 2Gi: ` +
				`raise limits.memory under spec.hard of the ResourceQuota to at least 2169Mi, or lower the size by a lower sizing.fixed`,
		},
		"each quota and resource has a sentence": {
			pod: web,
			quotas: []string{
				"{metadata: {name: small}, status: {hard: {limits.memory: 600Mi, requests.memory: 256Mi}, used: {limits.memory: 0, requests.memory: 0}}}",
				"{metadata: {name: other}, status: {hard: {memory: 200Mi}, used: {memory: 8Mi}}}",
			},
			detail: limits + `; the Pod needs 384.6Mi of requests.memory, of which shmkeeper adds 256.6Mi for a /dev/shm of 256Mi, and ResourceQuota "small" leaves 256Mi of its 256Mi: ` +
				`raise requests.memory under spec.hard of the ResourceQuota to at least 385Mi, or lower the size by a lower sizing.fixed; ` +
				`the Pod needs 384.6Mi of memory, of which shmkeeper adds 256.6Mi for a /dev/shm of 256Mi, and ResourceQuota "other" leaves 192Mi of its 200Mi: ` +
				`raise memory under spec.hard of the ResourceQuota to at least 393Mi, or lower the size by a lower sizing.fixed`,
		},
		"a quota that is overdrawn leaves nothing, and a Pod that needed some is not ours": {
			pod:    web,
			quotas: []string{"{metadata: {name: small}, status: {hard: {limits.memory: 1Gi}, used: {limits.memory: 2Gi}}}"},
			detail: added,
		},
		"a Pod that does not fit in one quota as it is written is not told of another": {
			pod: web,
			quotas: []string{
				"{metadata: {name: small}, status: {hard: {limits.memory: 600Mi}, used: {limits.memory: 0}}}",
				"{metadata: {name: tiny}, status: {hard: {requests.memory: 100Mi}, used: {requests.memory: 0}}}",
			},
			detail: added,
		},
		"a Pod that was raised is refused in the same words": {
			pod:    raised,
			quotas: []string{"{metadata: {name: small}, status: {hard: {limits.memory: 600Mi}, used: {limits.memory: 0}}}"},
			detail: limits,
		},
		"a Pod that was raised and fits complies": {
			pod:    raised,
			quotas: []string{"{metadata: {name: small}, status: {hard: {limits.memory: 769Mi}, used: {limits.memory: 0}}}"},
			detail: `volume "shmkeeper-shm" of 256Mi at /dev/shm holds the 256Mi that are needed`,
		},
		"overhead counts for requests and limits": {
			pod:    "{spec: {overhead: {memory: 100Mi}, containers: [{name: web, image: web, resources: {limits: {memory: 412Mi}, requests: {memory: 412Mi}}}]}}",
			quotas: []string{"{metadata: {name: small}, status: {hard: {limits.memory: 600Mi, memory: 600Mi}, used: {limits.memory: 0, memory: 0}}}"},
			detail: limits + "; " + strings.ReplaceAll(limits, "limits.memory", "memory"),
		},
		"a quota for affinity to Pods of other namespaces counts a Pod that has some": {
			pod: "{spec: {affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone, namespaces: [other]}}]}}, " +
				"containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}]}}",
			quotas: []string{"{metadata: {name: small}, spec: {scopes: [CrossNamespacePodAffinity]}, status: {hard: {limits.memory: 600Mi}, used: {limits.memory: 0}}}"},
			detail: limits,
		},
		"a quota for affinity to Pods of other namespaces does not count a Pod without": {
			pod: "{spec: {affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}}, " +
				"containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}]}}",
			quotas: []string{"{metadata: {name: small}, spec: {scopes: [CrossNamespacePodAffinity]}, status: {hard: {limits.memory: 600Mi}, used: {limits.memory: 0}}}"},
			detail: added,
		},
		"an unknown operator or scope cannot be decided, and the quota is passed over": {
			pod: web,
			quotas: []string{
				"{metadata: {name: small}, spec: {scopes: [FromTheFuture]}, status: {hard: {limits.memory: 600Mi}, used: {limits.memory: 0}}}",
				"{metadata: {name: small}, spec: {scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: Gt, values: [high]}]}}, status: {hard: {limits.memory: 600Mi}, used: {limits.memory: 0}}}",
				"{metadata: {name: small}, spec: {scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: NotIn, values: []}]}}, status: {hard: {limits.memory: 600Mi}, used: {limits.memory: 0}}}",
			},
			detail: added,
		},
	} {
		t.Run(name, func(t *testing.T) {
			subject := subjectOf(readPod(t, c.pod))
			for _, q := range c.quotas {
				subject.ResourceQuotas = append(subject.ResourceQuotas, readQuota(t, q))
			}
			set := policy.NewSet(readPolicy(t, "{match: {podSelector: {}}, sizing: {fixed: 256Mi}}"))
			if diff := cmp.Diff(c.detail, set.Decide(subject).Detail); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A record that a tenant wrote changes who tells of a quota that is exceeded, and
// neither has a Pod refused that fits nor one admitted that does not.
func TestAFalseRecordChangesOnlyWhoTellsOfTheQuota(t *testing.T) {
	const (
		sized = "spec: {containers: [{name: web, image: web, resources: {limits: {memory: 768Mi}, requests: {memory: 768Mi}}, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], " +
			"volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}]}}"
		claim = "{metadata: {annotations: {shmkeeper.dev/injected: '{\"memory\":{\"web\":{\"limit\":1,\"limitAdded\":1,\"charge\":9223372036854775807}}}'}}, "
		all   = "{metadata: {annotations: {shmkeeper.dev/injected: '{\"memory\":{\"web\":{\"limit\":805306368,\"limitAdded\":805306368,\"charge\":9223372036854775807}}}'}}, "
	)
	set := policy.NewSet(readPolicy(t, "{match: {podSelector: {}}, sizing: {fixed: 256Mi}}"))
	for name, c := range map[string]struct {
		pod, hard string
		outcome   policy.Outcome
	}{
		"the Pod fits, and says that all of it was added":                           {all + sized, "768Mi", policy.Compliant},
		"the Pod does not fit, and says that all of it was added":                   {all + sized, "767Mi", policy.Violating},
		"the Pod does not fit, and says that a byte was added: the plugin tells it": {claim + sized, "767Mi", policy.Compliant},
		"the Pod does not fit, and says nothing: the plugin tells it":               {"{" + sized, "767Mi", policy.Compliant},
	} {
		t.Run(name, func(t *testing.T) {
			subject := subjectOf(readPod(t, c.pod))
			subject.ResourceQuotas = []*corev1.ResourceQuota{readQuota(t, "{metadata: {name: q}, status: {hard: {limits.memory: "+c.hard+"}, used: {limits.memory: 0}}}")}
			violations := set.Check(subject)
			if d := set.Decide(subject); d.Outcome != c.outcome || len(violations) > 0 != (c.outcome == policy.Violating) {
				t.Errorf("got %s, want %s: %s; Check finds %v", d.Outcome, c.outcome, d.Detail, violations)
			}
		})
	}
}
