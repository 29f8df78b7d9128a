package review

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
)

func TestReview_Report(t *testing.T) {
	tests := map[string]struct {
		in, args string
		want     clitest.Result
	}{
		"a Pod that no policy matches is left alone": {
			in: "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx}]}}", args: "--all",
			want: clitest.Result{Out: `NotMatched  Pod/default/a  -  -
  no policy matches

1 reviewed under the library's policies: 1 NotMatched
`},
		},
		"a Pod that no policy matches is only counted without --all": {
			in:   "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx}]}}",
			want: clitest.Result{Out: "1 reviewed under the library's policies: 1 NotMatched (--all lists them)\n"},
		},
		"a Pod that no policy matches is explained without --all": {
			in: "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: harbor.local/selenium/node-chrome}]}}",
			want: clitest.Result{Out: `note: image "harbor.local/selenium/node-chrome" of container "a" is not in the registry of "selenium/node-chrom*", which policy "selenium" matches: if it is a copy, give --image-mirrors harbor.local=docker.io, or add the image to match in a copy of the policy (Pod/default/a)

1 reviewed under the library's policies: 1 NotMatched (--all lists them)
`},
		},
		"a name that would break the line is quoted": {
			in: `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a\nb \u001b[1m"},"spec":{"containers":[{"name":"a","image":"nginx"}]}}`, args: "--all",
			want: clitest.Result{Out: `NotMatched  Pod/default/"a\nb \x1b[1m"  -  -
  no policy matches

1 reviewed under the library's policies: 1 NotMatched
`},
		},
		"a Pod on the node's /dev/shm is left alone, with the reason": {
			in: clitest.Pod + "  hostIPC: true\n",
			want: clitest.Result{Out: `Skipped  Pod/default/browser  selenium  -
  container "chrome" uses the node's own /dev/shm by hostIPC, which it shares with every Pod of the node that does so: nothing bounds it but the node's memory

1 reviewed under the library's policies: 1 Skipped
`},
		},
		"a violation is refused with exit status 1": {
			in: mountedOnDisk,
			want: clitest.Result{Code: 1, Out: `Violating  Pod/shop/browser  selenium  2Gi
  violates ` + diskViolation + `

1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"--mode warn refuses nothing": {
			in: mountedOnDisk, args: "--mode warn",
			want: clitest.Result{Out: `Violating (warn)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `

1 reviewed under the library's policies: 1 Violating
`},
		},
		"--mode audit changes nothing and says what would be": {
			in: clitest.Pod, args: "--mode audit",
			want: clitest.Result{Out: `Mutated (audit)  Pod/default/browser  selenium  2Gi
  would be changed in mode enforce: adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome"
` + noFigures + `
1 reviewed under the library's policies: 1 Mutated
`},
		},
		"the label of the namespace lowers the mode": {
			in: mountedOnDisk, args: "--namespace-labels team=a,shmkeeper.dev/mode=audit",
			want: clitest.Result{Out: `Violating (audit)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `

1 reviewed under the library's policies: 1 Violating
`},
		},
		"a Namespace in the stream gives its labels to its own Pods only": {
			in: "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {shmkeeper.dev/mode: warn}}}\n---\n" +
				mountedOnDisk + "---\n" + strings.Replace(mountedOnDisk, "shop", "lab", 1),
			want: clitest.Result{Code: 1, Out: `Violating (warn)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `
Violating         Pod/lab/browser   selenium  2Gi
  violates ` + diskViolation + `

2 reviewed under the library's policies: 2 Violating; 1 would be rejected
`},
		},
		"--namespace-labels come before those of a Namespace": {
			in:   "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {shmkeeper.dev/mode: warn}}}\n---\n" + mountedOnDisk,
			args: "--namespace-labels shmkeeper.dev/mode=enforce",
			want: clitest.Result{Code: 1, Out: `Violating  Pod/shop/browser  selenium  2Gi
  violates ` + diskViolation + `

1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"an unknown mode on the namespace is audit, with a warning": {
			in: clitest.Pod, args: "--namespace-labels shmkeeper.dev/mode=on",
			want: clitest.Result{Out: `Mutated (audit)  Pod/default/browser  selenium  2Gi
  would be changed in mode enforce: adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome"
  warning: namespace "default": label shmkeeper.dev/mode: mode "on" is unknown and counts as audit: write audit, warn or enforce
` + noFigures + `
1 reviewed under the library's policies: 1 Mutated
`},
		},
		"a LimitRange refuses a limit that would have to be raised above it": {
			in: `{apiVersion: v1, kind: LimitRange, metadata: {name: small}, spec: {limits: [{type: Container, max: {memory: 1Gi}}]}}
---
` + clitest.Pod + "    resources: {limits: {memory: 512Mi}}\n",
			want: clitest.Result{Code: 1, Out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the memory of container "chrome" would have to be 2565Mi for a /dev/shm of 2Gi, and LimitRange "small" allows a container at most 1Gi: the largest size that would fit is 510Mi: set annotation shmkeeper.dev/size-limit: 510Mi if that is enough, or ask the namespace's administrator for more memory
` + noVolume + `
1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"a LimitRange of another namespace does not count": {
			in: `{apiVersion: v1, kind: LimitRange, metadata: {name: small, namespace: lab}, spec: {limits: [{type: Container, max: {memory: 1Gi}}]}}
---
` + clitest.Pod,
			want: clitest.Result{Out: `Mutated  Pod/default/browser  selenium  2Gi
  adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome"
` + noFigures + `
1 reviewed under the library's policies: 1 Mutated
`},
		},
		"a ResourceQuota refuses a Pod that would have to be raised above what it leaves": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {limits.memory: 8Gi}}, status: {hard: {limits.memory: 4Gi}, used: {limits.memory: 2Gi}}}
---
` + clitest.Pod + "    resources: {limits: {memory: 512Mi}}\n",
			want: clitest.Result{Code: 1, Out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the Pod would need 2565Mi of limits.memory, of which 2053Mi are for a /dev/shm of 2Gi, and ResourceQuota "small" leaves 2Gi of its 4Gi: the largest size that would fit is 1532Mi: set annotation shmkeeper.dev/size-limit: 1532Mi if that is enough, or ask the namespace's administrator for more memory
` + noVolume + `
1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"nothing is used of a ResourceQuota without status": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {limits.memory: 2Gi}}}
---
` + clitest.Pod + "    resources: {limits: {memory: 512Mi}}\n",
			want: clitest.Result{Code: 1, Out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the Pod would need 2565Mi of limits.memory, of which 2053Mi are for a /dev/shm of 2Gi, and ResourceQuota "small" leaves 2Gi of its 2Gi: the largest size that would fit is 1532Mi: set annotation shmkeeper.dev/size-limit: 1532Mi if that is enough, or ask the namespace's administrator for more memory
` + noVolume + `
1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"a ResourceQuota counts what a LimitRange gives": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {limits.memory: 2Gi}}}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: limits}, spec: {limits: [{type: Container, default: {memory: 256Mi}}]}}
---
` + clitest.Pod,
			want: clitest.Result{Code: 1, Out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the Pod would need 2309Mi of limits.memory, of which 2053Mi are for a /dev/shm of 2Gi, and ResourceQuota "small" leaves 2Gi of its 2Gi: the largest size that would fit is 1787Mi: set annotation shmkeeper.dev/size-limit: 1787Mi if that is enough, or ask the namespace's administrator for more memory
` + noVolume + `  note: LimitRange "limits" gives container "chrome" a memory limit of 256Mi, with which it is evaluated

1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"a ResourceQuota of another namespace does not count": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small, namespace: lab}, spec: {hard: {limits.memory: 600Mi}}}
---
` + clitest.Pod + "    resources: {limits: {memory: 512Mi}}\n",
			want: clitest.Result{Out: `Mutated  Pod/default/browser  selenium  2Gi
  adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome", raises the memory limit of "chrome" from 512Mi to 2565Mi and makes its request 1Gi

memory that is added: 512Mi of requests, 2053Mi of limits, for 1 Pod of 1 object
1 reviewed under the library's policies: 1 Mutated
`},
		},
		"Lists are looked into, and -n names the namespace of what has none": {
			in:   "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}, {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx}]}}]}",
			args: "-n lab --all",
			want: clitest.Result{Out: `NotMatched  Pod/lab/a  -  -
  no policy matches

1 reviewed under the library's policies: 1 NotMatched; 1 skipped (1 ConfigMap)
`},
		},
		"workloads of versions that are not looked at are named": {
			in: "{apiVersion: extensions/v1beta1, kind: Deployment, metadata: {name: old}, spec: {template: {spec: {containers: [{name: a, image: a}]}}}}\n---\n" +
				"{apiVersion: batch/v1beta1, kind: CronJob, metadata: {name: older, namespace: lab}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: a}]}}}}}}\n---\n" + mountedOnDisk,
			args: "--mode warn",
			want: clitest.Result{Out: `Violating (warn)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `
note: Deployment/default/old has a Pod template that is not looked at: it is of extensions/v1beta1, which no API server has any more: write apps/v1
note: CronJob/lab/older has a Pod template that is not looked at: it is of batch/v1beta1, which no API server has any more: write batch/v1

1 reviewed under the library's policies: 1 Violating; 2 skipped (1 CronJob, 1 Deployment)
`},
		},
		"workloads of other projects just pass": {
			in:   "{apiVersion: batch.volcano.sh/v1alpha1, kind: Job, metadata: {name: a}}",
			want: clitest.Result{Out: "0 reviewed under the library's policies; 1 skipped (1 Job)\n"},
		},
		"a ReplicationController without a template passes": {
			in:   "{apiVersion: v1, kind: ReplicationController, metadata: {name: a}, spec: {replicas: 0}}",
			want: clitest.Result{Out: "0 reviewed under the library's policies; 1 skipped (1 ReplicationController)\n"},
		},
		"an empty List is not a mistake": {
			in:   "{apiVersion: v1, kind: List, items: []}",
			want: clitest.Result{Out: "0 reviewed under the library's policies\n"},
		},
		"a volume of a claim template is a volume": {
			in: `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {
 volumeClaimTemplates: [{metadata: {name: data}}],
 template: {spec: {containers: [{name: a, image: nginx, volumeMounts: [{name: data, mountPath: /data}]}]}}}}`, args: "--all",
			want: clitest.Result{Out: `NotMatched  StatefulSet/default/a  -  -
  no policy matches

1 reviewed under the library's policies: 1 NotMatched
`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, append([]string{"review", "-f", "-"}, strings.Fields(test.args)...)...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
