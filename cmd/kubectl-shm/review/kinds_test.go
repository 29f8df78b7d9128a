package review

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
)

func TestReview_PodTemplatesOfOtherKinds(t *testing.T) {
	const puppeteer = "image: ghcr.io/puppeteer/puppeteer, resources: {limits: {memory: 1Gi}, requests: {memory: 1Gi}}"
	const adds = "  adds a Memory emptyDir of 1Gi and mounts it at /dev/shm in "
	const raises = `, raises the memory limit of "c" from 1Gi to 2051Mi and its request from 1Gi to 1280Mi` + "\n"
	controllers := func(kinds string) string {
		return "note: what the controllers of " + kinds + " add to their Pods (labels, volumes, limits) is not known here: review the Pods as well (kubectl get pods -o yaml)\n"
	}
	tests := map[string]struct {
		in, want string
	}{
		"each of several templates has a line with its field": {
			in: "{apiVersion: ray.io/v1, kind: RayCluster, metadata: {name: r}, spec: {headGroupSpec: {template: {spec: {containers: [{name: c, " + puppeteer + "}]}}}," +
				" workerGroupSpecs: [{template: {spec: {containers: [{name: c, " + puppeteer + "}]}}}]}}",
			want: "Mutated  RayCluster/default/r spec.headGroupSpec.template        puppeteer  1Gi\n" + adds + `"c"` + raises +
				"Mutated  RayCluster/default/r spec.workerGroupSpecs[0].template  puppeteer  1Gi\n" + adds + `"c"` + raises +
				controllers("RayCluster") + "\nmemory that is added: 512Mi of requests, 2054Mi of limits, for 2 Pods of 2 objects; 2 objects that do not say how many Pods they make are counted as one Pod\n2 reviewed under the library's policies: 2 Mutated\n",
		},
		"a Pod that is put together elsewhere is reviewed and not written": {
			in: "{apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, metadata: {name: s}, spec: {predictor: {containers: [{name: c, " + puppeteer + "}]}}}",
			want: "Mutated  InferenceService/default/s  puppeteer  1Gi\n" + adds + `"c"` + raises +
				"  note: the change is made in the Pods and not written here, as the object holds no whole Pod template: spec.predictor stays as it is\n" +
				controllers("InferenceService") + "\nmemory that is added: 256Mi of requests, 1027Mi of limits, for 1 Pod of 1 object; 1 object that does not say how many Pods it makes is counted as one Pod\n1 reviewed under the library's policies: 1 Mutated\n",
		},
		"a template that cannot be read is named": {
			in: "{apiVersion: a.example/v1, kind: Odd, metadata: {name: o}, spec: {template: {spec: {containers: [{name: c, image: a, resources: {limits: {memory: lots}}}]}}}}",
			want: `note: Odd/default/o has a Pod template that is not looked at: spec.template cannot be read: spec.containers[0].resources.limits.memory: "lots" is not a quantity: write a quantity such as 512Mi` +
				"\n\n0 reviewed under the library's policies; 1 skipped (1 Odd)\n",
		},
		"a template that no API server would take is named": {
			in: "{apiVersion: a.example/v1, kind: Odd, metadata: {name: o}, spec: {template: {spec: {containers: [{name: c, image: a}, {name: c, image: a}]}}}}",
			want: `note: Odd/default/o has a Pod template that is not looked at: spec.template is not valid: containers[1].name: "c" is the name of another container too: rename one of them` +
				"\n\n0 reviewed under the library's policies; 1 skipped (1 Odd)\n",
		},
		"a volume that the controller adds is there": {
			in: "{apiVersion: a.example/v1, kind: Odd, metadata: {name: o}, spec: {template: {spec: {containers: [{name: c, " + puppeteer + ", volumeMounts: [{name: v, mountPath: /v}]}]}}}}",
			want: "Mutated  Odd/default/o  puppeteer  1Gi\n" + adds + `"c"` + raises +
				controllers("Odd") + "\nmemory that is added: 256Mi of requests, 1027Mi of limits, for 1 Pod of 1 object; 1 object that does not say how many Pods it makes is counted as one Pod\n1 reviewed under the library's policies: 1 Mutated\n",
		},
		"a volume that the controller adds at /dev/shm is not known": {
			in: "{apiVersion: a.example/v1, kind: Odd, metadata: {name: o}, spec: {template: {spec: {containers: [{name: c, " + puppeteer + ", volumeMounts: [{name: v, mountPath: /dev/shm/}]}]}}}}",
			want: `note: Odd/default/o has a Pod template that is not looked at: spec.template mounts volume "v" at /dev/shm, which only its controller knows: review the Pods that are made from it (kubectl get pods -o yaml)` +
				"\n\n0 reviewed under the library's policies; 1 skipped (1 Odd)\n",
		},
		"an image outside of any template is named": {
			in: "{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, metadata: {name: c}, spec: {instances: 3, imageName: 'ghcr.io/cloudnative-pg/postgresql:17'}}",
			want: `note: Cluster/default/c has a Pod template that is not looked at: spec has the image "ghcr.io/cloudnative-pg/postgresql:17" outside of any Pod template: review the Pods that are made from it (kubectl get pods -o yaml)` +
				"\n\n0 reviewed under the library's policies; 1 skipped (1 Cluster)\n",
		},
		"what has no Pod is skipped and counted, the most frequent kind first": {
			in:   strings.Repeat("{apiVersion: v1, kind: Service, metadata: {name: s}}\n---\n", 3) + "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}}",
			want: "0 reviewed under the library's policies; 4 skipped (3 Service, 1 Ingress)\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, "review", "-f", "-")
			if diff := cmp.Diff(clitest.Result{Out: test.want}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// The patch of a template goes where the template is, also into an item of a list.
func TestReview_WritesTemplatesOfOtherKinds(t *testing.T) {
	const in = `apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r}
spec:
  workerGroupSpecs:
  - template:
      spec:
        containers:
        - name: c
          image: nginx
  - template:
      spec:
        containers:
        - name: c
          image: ghcr.io/puppeteer/puppeteer
`
	got := shm(in, "review", "-f", "-", "-o", "yaml")
	want := in + `          volumeMounts:
          - name: shmkeeper-shm
            mountPath: /dev/shm
        volumes:
        - name: shmkeeper-shm
          emptyDir:
            medium: Memory
            sizeLimit: 1Gi
      metadata:
        annotations:
          shmkeeper.dev/injected: '{"policy":"puppeteer","volume":"shmkeeper-shm","sizeLimit":"1Gi"}'
          shmkeeper.dev/policy: puppeteer
`
	if diff := cmp.Diff(want, got.Out); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// An autoscaler concerns the workload that it targets, in its own namespace, and only if it looks at
// memory.
func TestReview_Autoscalers(t *testing.T) {
	const deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: w}, spec: {template: {spec: {containers: [" +
		"{name: c, image: ghcr.io/puppeteer/puppeteer, resources: {limits: {memory: 1Gi}, requests: {memory: 512Mi}}}]}}}}\n---\n"
	scaler := func(version, kind, meta, spec string) string {
		return deployment + "{apiVersion: " + version + ", kind: " + kind + ", metadata: {name: s" + meta + "}, spec: {" + spec + "}}"
	}
	const target = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: w}"
	metric := func(name string) string {
		return target + ", metrics: [{type: Resource, resource: {name: " + name + ", target: {type: Utilization, averageUtilization: 80}}}]"
	}
	tests := map[string]struct {
		in, want string // part of the warning; empty for none
	}{
		"by memory":                  {scaler("autoscaling/v2", "HorizontalPodAutoscaler", "", metric("memory")), `warning: HorizontalPodAutoscaler "s" compares`},
		"by CPU":                     {scaler("autoscaling/v2", "HorizontalPodAutoscaler", "", metric("cpu")), ""},
		"of another namespace":       {scaler("autoscaling/v2", "HorizontalPodAutoscaler", ", namespace: b", metric("memory")), ""},
		"of another workload":        {scaler("autoscaling/v2", "HorizontalPodAutoscaler", "", strings.Replace(metric("memory"), "name: w", "name: x", 1)), ""},
		"KEDA, by memory":            {scaler("keda.sh/v1alpha1", "ScaledObject", "", "scaleTargetRef: {name: w}, triggers: [{type: memory, metricType: Utilization, metadata: {value: '80'}}]"), `warning: ScaledObject "s" compares`},
		"vertical, which writes":     {scaler("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", "", "targetRef: {apiVersion: apps/v1, kind: Deployment, name: w}"), `warning: VerticalPodAutoscaler "s" replaces`},
		"vertical, which recommends": {scaler("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", "", "targetRef: {apiVersion: apps/v1, kind: Deployment, name: w}, updatePolicy: {updateMode: 'Off'}"), `warning: VerticalPodAutoscaler "s" recommends`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, "review", "-f", "-")
			if got.Code != cli.ExitOK || !strings.HasPrefix(got.Out, "Mutated  Deployment/default/w") {
				t.Fatalf("%+v", got)
			}
			if test.want == "" && strings.Contains(got.Out, "warning") || !strings.Contains(got.Out, test.want) {
				t.Errorf("want %q in\n%s", test.want, got.Out)
			}
			if strings.Contains(got.Out, "skipped") {
				t.Errorf("the autoscaler counts as skipped:\n%s", got.Out)
			}
		})
	}
}
