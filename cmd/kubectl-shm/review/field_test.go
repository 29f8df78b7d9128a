package review

import (
	"slices"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
)

// Manifests with the shape of public reports, each with what review or lint has to say about it.
func TestReviewAndLint_FieldCases(t *testing.T) {
	tests := map[string]struct {
		args  string
		code  int
		says  []string // in this order, each in a line of its own
		never []string
	}{
		"templates in custom kinds are reviewed": {
			args: "review --all -f testdata/field/05-templates-in-custom-kinds.yaml",
			says: []string{
				"Mutated     LeaderWorkerSet/default/lws",
				"Mutated     PyTorchJob/default/ddp",
				"Mutated     ScaledJob/default/chrome",
				"Mutated     Rollout/default/render",
				"Mutated     Service/default/render",
				"Mutated     DeploymentConfig/default/render",
				"NotMatched  RayCluster/default/r",
				"Mutated     PodTemplate/default/render",
				"note: what the controllers of DeploymentConfig, LeaderWorkerSet, PyTorchJob, RayCluster, Rollout, ScaledJob, Service add to their Pods",
				"8 reviewed under the library's policies: 7 Mutated, 1 NotMatched",
			},
			never: []string{"skipped"},
		},
		"CRI-O's annotation is named and makes no writer compliant": {
			args: "review -f testdata/field/06-crio-shm-size.yaml", code: cli.ExitRejected,
			says: []string{
				"Violating  Pod/default/old-spelling  browsers-checked  1Gi",
				"or of 2Gi on nodes where CRI-O heeds annotation io.kubernetes.cri-o.ShmSize: mount a Memory emptyDir with sizeLimit: 2Gi there",
				"Violating  Pod/default/new-spelling  browsers-checked  1Gi",
				"or of 2Gi on nodes where CRI-O heeds annotation shm-size.crio.io: mount a Memory emptyDir with sizeLimit: 2Gi there",
				"2 reviewed under the policies of the input: 2 Violating; 2 would be rejected",
			},
		},
		"a container that meets the writer in /dev/shm is named by review": {
			args: "review -f testdata/field/08-sidecar-left-out.yaml",
			says: []string{"Mutated", `mounts it at /dev/shm in "app", "media-driver"`, `warning: container "media-driver" names /dev/shm too`},
		},
		"a container that meets the writer in /dev/shm is named by lint": {
			args: "lint -f testdata/field/08-sidecar-left-out.yaml",
			says: []string{`:8: trading: warning: spec.writers.names: container "media-driver" of Pod/trading names /dev/shm too`},
		},
		"what needs no policy to be seen is said without one": {
			args: "review --all -f testdata/field/14-postgres-without-operator.yaml -p ray",
			says: []string{
				"NotMatched  StatefulSet/default/unbounded",
				`note: volume "dshm" at /dev/shm has no sizeLimit`,
				"NotMatched  StatefulSet/default/larger-than-limit",
				`note: container "postgres" would be OOM-killed before the volume is full`,
				"NotMatched  StatefulSet/default/nothing",
				"3 reviewed under the policies of -p ray: 3 NotMatched",
			},
			never: []string{"violate", "would be rejected"},
		},
		"an OOM loop is a violation under the library": {
			args: "review -f testdata/field/14-postgres-without-operator.yaml", code: cli.ExitRejected,
			says: []string{
				"Compliant  StatefulSet/default/unbounded", `warning: volume "dshm" at /dev/shm has no sizeLimit`,
				"Violating  StatefulSet/default/larger-than-limit", "OOM-killed before the volume is full",
			},
		},
		"an owner who asks for less is never told to raise max": {
			args: "review -f testdata/field/16-owner-lowers-the-size.yaml",
			says: []string{
				"Compliant  Pod/default/pg",
				`warning: the annotations ask for a /dev/shm of 1Gi, and policy "postgresql-cloudnativepg" would give`,
				"Mutated    Pod/default/render",
				`warning: the annotations ask for a /dev/shm of 512Mi, less than the 1Gi that policy "puppeteer" gives, and are ignored: remove shmkeeper.dev/size-limit`,
				"Mutated    Pod/default/outpost",
				"and are ignored: remove shmkeeper.dev/size-limit",
			},
			never: []string{"sizing.max", "raise max"},
		},
		"a container that remounts /dev/shm gets no volume": {
			args: "review --all -f testdata/field/17-remount-at-start.yaml",
			says: []string{
				"NotMatched  Deployment/default/driver",
				`note: container "driver" remounts /dev/shm itself ("remount,size=1024M") and is left alone`,
			},
			never: []string{"adds"},
		},
		"autoscalers that act on the raised request are named": {
			args: "review -f testdata/field/18-autoscaled-on-memory.yaml",
			says: []string{
				"Mutated  Deployment/shop/render",
				"its request from 512Mi to 768Mi",
				`warning: HorizontalPodAutoscaler "render" compares the memory in use with the request`,
				`warning: VerticalPodAutoscaler "render" replaces the raised request`,
				"Mutated  Pod/shop/render-abc12",
				`  adds a Memory emptyDir of 1Gi and mounts it at /dev/shm in "chrome"` + "\n", // and raises nothing: not charged twice
				"2 reviewed under the library's policies: 2 Mutated\n",
			},
		},
		"a volume below /dev/shm is paid for too": {
			args: "review -f testdata/field/21-store-below-shm.yaml -p ray",
			says: []string{
				`note: container "collector" would be OOM-killed before the volume is full`, "its memory limit is 8Gi",
				`note: container "engine" would be OOM-killed before the volume is full`, "its memory limit is 16Gi",
				`note: volume "cache" at /dev/shm/cache has no sizeLimit`,
			},
			never: []string{"64Mi"},
		},
		"a fixed size above max is an error of lint": {
			args: "lint -f testdata/field/27-fixed-above-default-max.yaml", code: cli.ExitUsage,
			says: []string{`:8: sglang: error: spec.sizing.fixed.size: Invalid value: "32Gi": must not be greater than max, which is 4Gi if it is absent`},
		},
		"a fixed size above max is an error of review": {
			args: "review -f testdata/field/27-fixed-above-default-max.yaml", code: cli.ExitUsage,
			says: []string{`error: testdata/field/27-fixed-above-default-max.yaml:8: spec.sizing.fixed.size: Invalid value: "32Gi"`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm("", strings.Fields(test.args)...)
			text := got.Out + got.ErrOut
			if got.Code != test.code {
				t.Errorf("exit status %d, want %d", got.Code, test.code)
			}
			clitest.InOrder(t, text, test.says)
			if slices.ContainsFunc(test.never, func(part string) bool { return strings.Contains(text, part) }) {
				t.Errorf("one of %q is in\n%s", test.never, text)
			}
		})
	}
}
