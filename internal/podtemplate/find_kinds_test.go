package podtemplate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/internal/podtemplate"
)

func TestFind_Kinds(t *testing.T) {
	for name, tc := range map[string]struct {
		object string
		want   []string
	}{
		"a Pod is its own template": {
			object: `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, image: nginx}], initContainers: [{name: wait, image: busybox}]}
status: {containerStatuses: [{name: web, image: "docker.io/library/nginx:1.29"}]}`,
			want: []string{`PodTemplate "" web=nginx init wait=busybox labels map[app:web]`},
		},
		"a Deployment, with what kubectl and the API server add": {
			object: `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: not-the-pods}
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"containers":[{"image":"a"}]}}'}
  managedFields: [{fieldsV1: {f:spec: {containers: [{image: a/b}]}}}]
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {creationTimestamp: null, labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}`,
			want: []string{`PodTemplate "/spec/template" web=nginx labels map[app:web]`},
		},
		"a CronJob that is suspended": {
			object: `
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  suspend: true
  schedule: "0 3 * * *"
  jobTemplate:
    metadata: {labels: {kueue.x-k8s.io/queue-name: night}}
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: "a/b:1"}]}}}`,
			want: []string{`PodTemplate "/spec/jobTemplate/spec/template" job=a/b:1 suspended queue night`},
		},
		"a PodTemplate has its template at the top": {
			object: `
apiVersion: v1
kind: PodTemplate
metadata: {name: render}
template: {metadata: {labels: {app: render}}, spec: {containers: [{name: c, image: "ghcr.io/puppeteer/puppeteer:23"}]}}`,
			want: []string{`PodTemplate "/template" c=ghcr.io/puppeteer/puppeteer:23 labels map[app:render]`},
		},
		"a RayCluster has a head and groups of workers": {
			object: `
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, labels: {kueue.x-k8s.io/queue-name: gpu}}
spec:
  suspend: false
  headGroupSpec:
    rayStartParams: {dashboard-host: 0.0.0.0}
    template: {spec: {containers: [{name: ray-head, image: "rayproject/ray:2.40.0"}]}}
  workerGroupSpecs:
  - {groupName: cpu, replicas: 1, template: {spec: {containers: [{name: ray-worker, image: "rayproject/ray:2.40.0"}]}}}
  - {groupName: gpu, replicas: 1, template: {spec: {containers: [{name: ray-worker, image: "rayproject/ray:2.40.0-gpu"}]}}}`,
			want: []string{
				`PodTemplate "/spec/headGroupSpec/template" ray-head=rayproject/ray:2.40.0 queue gpu`,
				`PodTemplate "/spec/workerGroupSpecs/0/template" ray-worker=rayproject/ray:2.40.0 queue gpu`,
				`PodTemplate "/spec/workerGroupSpecs/1/template" ray-worker=rayproject/ray:2.40.0-gpu queue gpu`,
			},
		},
		"a RayJob that Kueue has suspended": {
			object: `
apiVersion: ray.io/v1
kind: RayJob
metadata: {name: r, labels: {kueue.x-k8s.io/queue-name: gpu}}
spec:
  suspend: true
  entrypoint: python train.py
  submitterPodTemplate: {spec: {restartPolicy: Never, containers: [{name: submitter, image: "rayproject/ray:2.40.0"}]}}
  rayClusterSpec:
    headGroupSpec: {template: {spec: {containers: [{name: head, image: "rayproject/ray:2.40.0"}]}}}`,
			want: []string{
				`PodTemplate "/spec/rayClusterSpec/headGroupSpec/template" head=rayproject/ray:2.40.0 suspended queue gpu`,
				`PodTemplate "/spec/submitterPodTemplate" submitter=rayproject/ray:2.40.0 suspended queue gpu`,
			},
		},
		"a LeaderWorkerSet": {
			object: `
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: lws}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate: {metadata: {labels: {role: leader}}, spec: {containers: [{name: l, image: "vllm/vllm-openai:v0.19.1"}]}}
    workerTemplate: {spec: {containers: [{name: w, image: "vllm/vllm-openai:v0.19.1"}]}}`,
			want: []string{
				`PodTemplate "/spec/leaderWorkerTemplate/leaderTemplate" l=vllm/vllm-openai:v0.19.1 labels map[role:leader]`,
				`PodTemplate "/spec/leaderWorkerTemplate/workerTemplate" w=vllm/vllm-openai:v0.19.1`,
			},
		},
		"a PyTorchJob that is suspended in its runPolicy": {
			object: `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: ddp}
spec:
  runPolicy: {suspend: true}
  pytorchReplicaSpecs:
    Worker: {replicas: 2, template: {spec: {containers: [{name: pytorch, image: "pytorch/pytorch:2.5.1"}]}}}
    Master: {template: {spec: {containers: [{name: pytorch, image: "pytorch/pytorch:2.5.1"}]}}}`,
			want: []string{
				`PodTemplate "/spec/pytorchReplicaSpecs/Master/template" pytorch=pytorch/pytorch:2.5.1 suspended`,
				`PodTemplate "/spec/pytorchReplicaSpecs/Worker/template" pytorch=pytorch/pytorch:2.5.1 suspended`,
			},
		},
		"an MPIJob": {
			object: `
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata: {name: mpi}
spec: {mpiReplicaSpecs: {Launcher: {template: {spec: {containers: [{name: l, image: mpi}]}}}}}`,
			want: []string{`PodTemplate "/spec/mpiReplicaSpecs/Launcher/template" l=mpi`},
		},
		"a ScaledJob": {
			object: `
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: chrome}
spec:
  jobTargetRef: {template: {spec: {containers: [{name: c, image: "selenium/node-chrome:4.27"}]}}}
  triggers: [{type: selenium-grid, metadata: {url: "http://hub:4444"}}]`,
			want: []string{`PodTemplate "/spec/jobTargetRef/template" c=selenium/node-chrome:4.27`},
		},
		"a Rollout of Argo": {
			object: `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: render}
spec: {strategy: {canary: {steps: [{setWeight: 20}, {pause: {}}]}}, template: {spec: {containers: [{name: c, image: chrome}]}}}`,
			want: []string{`PodTemplate "/spec/template" c=chrome`},
		},
		"a Knative Service names its only container user-container": {
			object: `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: render}
spec: {template: {spec: {containerConcurrency: 10, timeoutSeconds: 60, containers: [{image: "ghcr.io/puppeteer/puppeteer:23"}]}}}`,
			want: []string{`PodTemplate "/spec/template" user-container=ghcr.io/puppeteer/puppeteer:23`},
		},
		"a Knative Service numbers several containers, those with a name too": {
			object: `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: render}
spec: {template: {spec: {containers: [{image: a}, {name: b, image: b}, {image: c}]}}}`,
			want: []string{`PodTemplate "/spec/template" user-container-0=a,b=b,user-container-2=c`},
		},
		"nobody else names a container": {
			object: `{apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {containers: [{image: a}]}}}}`,
			want:   []string{`PodTemplate "/spec/template" =a`},
		},
		"an InferenceService has a PodSpec as its predictor, and another for its workers": {
			object: `
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: llm}
spec:
  predictor:
    minReplicas: 1
    labels: {team: ml}
    containers: [{image: "vllm/vllm-openai:v0.19.1"}]
    volumes: [{name: dshm, emptyDir: {medium: Memory}}]
    workerSpec: {pipelineParallelSize: 2, containers: [{name: worker-container, image: "vllm/vllm-openai:v0.19.1"}]}
  transformer: {containers: [{name: transformer, image: "a/transformer:1"}]}`,
			want: []string{
				`PodSpec "/spec/predictor" kserve-container=vllm/vllm-openai:v0.19.1 volumes dshm labels map[team:ml]`,
				`PodSpec "/spec/predictor/workerSpec" worker-container=vllm/vllm-openai:v0.19.1`,
				`PodSpec "/spec/transformer" transformer=a/transformer:1`,
			},
		},
		"an InferenceService with a model has its container elsewhere": {
			object: `
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: llm}
spec: {predictor: {model: {modelFormat: {name: huggingface}, storageUri: "hf://org/model", resources: {limits: {memory: 24Gi}}}}}`,
			want: []string{
				`unread "/spec/predictor/model" is served by a container of a ServingRuntime: review that, or the Pods that are made from it (kubectl get pods -o yaml)`,
			},
		},
		"a ServingRuntime is not a Pod: its labels are not theirs": {
			object: `
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: vllm, labels: {app: not-the-pods}}
spec: {annotations: {a: b}, supportedModelFormats: [{name: vllm}], containers: [{name: kserve-container, image: "vllm/vllm-openai:v0.19.1"}]}`,
			want: []string{`PodSpec "/spec" kserve-container=vllm/vllm-openai:v0.19.1`},
		},
		"a DeploymentConfig of OpenShift": {
			object: `
apiVersion: apps.openshift.io/v1
kind: DeploymentConfig
metadata: {name: render}
spec:
  strategy: {type: Rolling, rollingParams: {pre: {failurePolicy: Abort, execNewPod: {containerName: c, command: [migrate]}}}}
  triggers: [{type: ImageChange, imageChangeParams: {containerNames: [c], from: {kind: ImageStreamTag, name: "render:latest"}}}]
  template: {spec: {containers: [{name: c, image: "ghcr.io/puppeteer/puppeteer:23"}]}}`,
			want: []string{`PodTemplate "/spec/template" c=ghcr.io/puppeteer/puppeteer:23`},
		},
		"a JobSet: the suspended jobs of one of its lists": {
			object: `
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: js, annotations: {kueue.x-k8s.io/queue-name: old}}
spec:
  replicatedJobs:
  - {name: a, template: {spec: {suspend: true, template: {spec: {containers: [{name: a, image: a}]}}}}}
  - {name: b, template: {spec: {template: {metadata: {labels: {kueue.x-k8s.io/queue-name: own}}, spec: {containers: [{name: b, image: b}]}}}}}`,
			want: []string{
				`PodTemplate "/spec/replicatedJobs/0/template/spec/template" a=a suspended queue old`,
				`PodTemplate "/spec/replicatedJobs/1/template/spec/template" b=b labels map[kueue.x-k8s.io/queue-name:own] queue own`,
			},
		},
		"a Job of Volcano": {
			object: `
apiVersion: batch.volcano.sh/v1alpha1
kind: Job
metadata: {name: v}
spec: {schedulerName: volcano, queue: default, tasks: [{name: ps, replicas: 1, template: {spec: {containers: [{name: tf, image: tf}]}}}]}`,
			want: []string{`PodTemplate "/spec/tasks/0/template" tf=tf`},
		},
		"a SparkApplication with a template for its executors, and an image for the rest": {
			object: `
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: {name: pi}
spec:
  type: Scala
  image: docker.io/library/spark:4.0.0
  mainClass: org.apache.spark.examples.SparkPi
  driver: {cores: 1, memory: 512m}
  executor: {instances: 2, template: {spec: {containers: [{name: spark-kubernetes-executor, image: spark}]}}}`,
			want: []string{
				`PodTemplate "/spec/executor/template" spark-kubernetes-executor=spark`,
				`unread "/spec" has the image "docker.io/library/spark:4.0.0" outside of any Pod template` + review,
			},
		},
		"a Task of Tekton has steps": {
			object: `
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec:
  steps: [{name: clone, image: "alpine/git:2"}, {image: golang, script: "go build ./..."}, {name: say, image: busybox}, {name: push, image: "a/b:1"}, {name: ref, ref: {name: other}}]
  sidecars: [{name: dind, image: "docker:27-dind"}]
  volumes: [{name: shm, emptyDir: {medium: Memory}}]`,
			want: []string{
				`unread "/spec/sidecars" has 1 container ("dind") outside of any Pod template` + review,
				`unread "/spec/steps" has 3 containers ("clone", "golang", "push") outside of any Pod template` + review,
			},
		},
		"a Pod of Flink's operator without a kind of its own": {
			object: `
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: f}
spec:
  image: flink:1.20
  podTemplate: {apiVersion: v1, kind: Pod, metadata: {name: p, labels: {a: b}}, spec: {containers: [{name: flink-main-container}]}}`,
			want: []string{
				`PodTemplate "/spec/podTemplate" flink-main-container= labels map[a:b]`,
				`unread "/spec" has the image "flink:1.20" outside of any Pod template` + review,
			},
		},
		"a Prometheus with an image beside the containers": {
			object: `
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: k8s}
spec: {image: "quay.io/prometheus/prometheus:v3", resources: {requests: {memory: 400Mi}}, containers: [{name: proxy, image: "a/proxy:1"}]}`,
			want: []string{
				`unread "/spec" has the image "quay.io/prometheus/prometheus:v3" beside its containers: its operator puts them together` + review,
			},
		},
		"a cluster of CloudNativePG has an imageName": {
			object: `{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, spec: {instances: 3, imageName: "ghcr.io/cloudnative-pg/postgresql:17"}}`,
			want: []string{
				`unread "/spec" has the image "ghcr.io/cloudnative-pg/postgresql:17" outside of any Pod template` + review,
			},
		},
		"objects within an object": {
			object: `
apiVersion: work.open-cluster-management.io/v1
kind: ManifestWork
metadata: {name: m}
spec:
  workload:
    manifests:
    - {apiVersion: v1, kind: Pod, metadata: {labels: {a: b}}, spec: {containers: [{name: p, image: p}]}}
    - {apiVersion: serving.knative.dev/v1, kind: Service, spec: {template: {spec: {containers: [{image: k}]}}}}
    - {apiVersion: v1, kind: Secret, stringData: {image: "a/b:1"}}`,
			want: []string{
				`PodTemplate "/spec/workload/manifests/0" p=p labels map[a:b]`,
				`PodTemplate "/spec/workload/manifests/1/spec/template" user-container=k`,
			},
		},
		"a list of Pods, which have no kind in it": {
			object: `
apiVersion: v1
kind: PodList
items: [{metadata: {name: a}, spec: {containers: [{name: a, image: a}]}, status: {containerStatuses: [{name: a, image: "a/a:1"}]}}]`,
			want: []string{`PodTemplate "/items/0" a=a`},
		},
		"an Unread for patterns of Kyverno": {
			object: `
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: no-latest}
spec: {rules: [{name: r, validate: {pattern: {spec: {containers: [{name: "*", image: "!*:latest"}]}}}}]}`,
			want: []string{
				`unread "/spec/rules/0/validate/pattern" is a pattern of a Kyverno policy, not a workload: review the workloads that the policy matches or makes`,
			},
		},
		"a template in the text of a ConfigMap": {
			object: `
apiVersion: v1
kind: ConfigMap
metadata: {name: airflow}
data:
  image: a/b:1
  pod_template.yaml: "spec:\n  containers:\n  - name: base\n    image: apache/airflow:3\n"
  pod.json: '{"spec": {"containers": [{"image": "a"}]}}'
  readme: "containers: none"`,
			want: []string{
				`unread "/data/pod.json" is text with containers in it, and is not read: review it as a file of its own`,
				`unread "/data/pod_template.yaml" is text with containers in it, and is not read: review it as a file of its own`,
			},
		},
		"a definition of a kind, a revision of the past and a Secret hold no Pods": {
			object: `
apiVersion: v1
kind: List
items:
- apiVersion: apiextensions.k8s.io/v1
  kind: CustomResourceDefinition
  spec: {versions: [{schema: {openAPIV3Schema: {default: {spec: {containers: [{name: c, image: a}]}}}}}]}
- apiVersion: apps/v1
  kind: ControllerRevision
  data: {spec: {template: {$patch: replace, spec: {containers: [{name: c, image: a}]}}}}
- {apiVersion: v1, kind: Secret, stringData: {pod.json: '{"containers":[{"image":"a"}]}'}}`,
		},
		"kinds without a Pod say nothing": {
			object: `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{name: http, port: 80}]}}
- {apiVersion: autoscaling.k8s.io/v1, kind: VerticalPodAutoscaler, spec: {resourcePolicy: {containerPolicies: [{containerName: "*"}]}}}
- {apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, spec: {images: [{name: a/b, newTag: "1"}]}}
- {apiVersion: example.com/v1, kind: Page, spec: {image: "https://example.com/logo.png", logo: {image: /img/logo.png}, icon: {image: sun}}}
- {apiVersion: v1, kind: Node, status: {images: [{names: ["a/b:1"], sizeBytes: 1}]}}
- {apiVersion: example.com/v1, kind: Box, spec: {containers: [], boxes: {containers: [{size: 3}, cardboard, null]}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := lines(podtemplate.Find(object(t, tc.object)))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
