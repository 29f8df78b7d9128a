package podtemplate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/internal/podtemplate"
)

func TestScalerOf(t *testing.T) {
	const deployment = "{apiVersion: apps/v1, kind: Deployment, name: web}"
	hpa := func(version, rest string) string {
		return "{apiVersion: autoscaling/" + version + ", kind: HorizontalPodAutoscaler, " +
			"metadata: {name: a, namespace: shop}, spec: {scaleTargetRef: " + deployment + rest + "}}"
	}
	vpa := func(rest string) string {
		return "{apiVersion: autoscaling.k8s.io/v1, kind: VerticalPodAutoscaler, " +
			"metadata: {name: a, namespace: shop}, spec: {targetRef: " + deployment + rest + "}}"
	}
	keda := func(target, triggers string) string {
		return "{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, " +
			"metadata: {name: a, namespace: shop}, spec: {scaleTargetRef: " + target + ", triggers: " + triggers + "}}"
	}
	want := func(kind string, onMemory, writes bool) *podtemplate.Scaler {
		return &podtemplate.Scaler{
			Kind: kind, Namespace: "shop", Name: "a", TargetKind: "Deployment", TargetName: "web",
			OnMemory: onMemory, Writes: writes,
		}
	}
	const (
		horizontal = "HorizontalPodAutoscaler"
		vertical   = "VerticalPodAutoscaler"
		scaled     = "ScaledObject"
	)
	for name, tc := range map[string]struct {
		object string
		want   *podtemplate.Scaler
	}{
		"utilization of memory": {
			hpa("v2", ", metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}, "+
				"{type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 80}}}]"),
			want(horizontal, true, false),
		},
		"utilization of CPU": {
			hpa("v2", ", metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]"),
			want(horizontal, false, false),
		},
		"an absolute value of memory does not look at requests": {
			hpa("v2", ", metrics: [{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}}]"),
			want(horizontal, false, false),
		},
		"the memory of one container": {
			hpa("v2", ", metrics: [{type: ContainerResource, containerResource: {name: memory, container: web, "+
				"target: {type: Utilization, averageUtilization: 80}}}]"),
			want(horizontal, true, false),
		},
		"a metric of another type that is called memory": {
			hpa("v2", ", metrics: [{type: External, resource: {name: memory, target: {type: Utilization}}}]"),
			want(horizontal, false, false),
		},
		"v2beta1": {
			hpa("v2beta1", ", metrics: [{type: Resource, resource: {name: memory, targetAverageUtilization: 80}}]"),
			want(horizontal, true, false),
		},
		"v1 has a field for CPU alone": {
			hpa("v1", ", targetCPUUtilizationPercentage: 80"), want(horizontal, false, false),
		},
		"v1 has other metrics in an annotation": {
			`{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: a, namespace: shop, annotations: ` +
				`{autoscaling.alpha.kubernetes.io/metrics: '[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":80}}]'}}, ` +
				`spec: {scaleTargetRef: ` + deployment + `}}`,
			want(horizontal, true, false),
		},
		"an annotation of v1 that is not JSON": {
			`{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: a, namespace: shop, annotations: ` +
				`{autoscaling.alpha.kubernetes.io/metrics: '[{'}}, spec: {scaleTargetRef: ` + deployment + `}}`,
			want(horizontal, false, false),
		},
		"a vertical one writes CPU and memory unless told otherwise": {vpa(""), want(vertical, true, true)},
		"a vertical one that writes when a Pod is made": {
			vpa(", updatePolicy: {updateMode: Initial}"), want(vertical, true, true),
		},
		"a vertical one that recommends": {
			vpa(`, updatePolicy: {updateMode: "Off"}`), want(vertical, true, false),
		},
		"a vertical one for CPU": {
			vpa(`, resourcePolicy: {containerPolicies: [{containerName: "*", controlledResources: [cpu]}]}`),
			want(vertical, false, false),
		},
		"a vertical one for the memory of one container": {
			vpa(`, resourcePolicy: {containerPolicies: [{containerName: "*", mode: "Off"}, {containerName: web, controlledResources: [cpu, memory]}]}`),
			want(vertical, true, true),
		},
		"a vertical one for all of one container": {
			vpa(`, resourcePolicy: {containerPolicies: [{containerName: "*", mode: "Off"}, {containerName: web}]}`),
			want(vertical, true, true),
		},
		"a vertical one that leaves out one container": {
			vpa(`, resourcePolicy: {containerPolicies: [{containerName: sidecar, mode: "Off"}]}`),
			want(vertical, true, true),
		},
		"a vertical one that leaves out all": {
			vpa(`, resourcePolicy: {containerPolicies: [{containerName: "*", mode: "Off"}]}`),
			want(vertical, false, false),
		},
		"KEDA takes a Deployment unless told otherwise": {
			keda("{name: web}", `[{type: memory, metricType: Utilization, metadata: {value: "80"}}]`), want(scaled, true, false),
		},
		"KEDA with the type among the metadata": {
			keda("{name: web}", `[{type: cron}, {type: memory, metadata: {type: Utilization, value: "80"}}]`), want(scaled, true, false),
		},
		"KEDA without a type": {
			keda("{name: web}", `[{type: memory, metadata: {value: "80"}}]`), want(scaled, true, false),
		},
		"KEDA with an absolute value": {
			keda("{name: web}", `[{type: memory, metricType: AverageValue, metadata: {value: 1Gi}}]`), want(scaled, false, false),
		},
		"KEDA with other triggers": {
			keda(deployment, `[{type: cpu, metricType: Utilization}]`), want(scaled, false, false),
		},
		"KEDA with another kind": {
			keda("{kind: Rollout, name: web}", "[]"),
			&podtemplate.Scaler{Kind: scaled, Namespace: "shop", Name: "a", TargetKind: "Rollout", TargetName: "web"},
		},
		"fields of the wrong type count as absent": {
			`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: [], spec: {scaleTargetRef: web, metrics: {type: 1}}}`,
			&podtemplate.Scaler{Kind: horizontal},
		},
		"another kind of the same name": {
			`{apiVersion: example.com/v1, kind: HorizontalPodAutoscaler, spec: {scaleTargetRef: ` + deployment + `}}`, nil,
		},
		"a workload": {`{apiVersion: apps/v1, kind: Deployment}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, podtemplate.ScalerOf(object(t, tc.object))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if got := podtemplate.ScalerOf(nil); got != nil {
		t.Errorf("nothing is %+v", got)
	}
}
