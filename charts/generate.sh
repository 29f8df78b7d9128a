#!/bin/sh
# Copies into the chart what it has in common with manifests/, since Helm reads no file outside of a chart. Run by make generate.
# usage: charts/generate.sh FOLDER, with the CRD and the PrometheusRule below FOLDER/manifests; writes FOLDER/charts.
set -eu
out=$1/charts/shmkeeper
rm -rf "$out/files" "$out/crds"
mkdir -p "$out/crds" "$out/files/usage" "$out/files/audit" "$out/files/events" "$out/files/fixed" "$out/files/self-managed" "$out/files/webhooks" "$out/files/policies" "$out/files/monitoring"
for file in manifests/base/*.yaml; do
	case $file in
	# Templates of the chart, as values change them.
	*/kustomization.yaml | */namespace.yaml | */deployment.yaml | */poddisruptionbudget.yaml | */resourcequota.yaml | */networkpolicy*.yaml) ;;
	*/audit.yaml) cp "$file" "$out/files/audit" ;;
	*/events.yaml) cp "$file" "$out/files/events" ;;
	*) cp "$file" "$out/files/fixed" ;;
	esac
done
cp manifests/mode-guard/mode-label.yaml manifests/mode-guard/mode-setter.yaml "$out/files/fixed"
cp manifests/webhook-guard/configurations.yaml "$out/files/fixed/webhook-guard.yaml"
cp manifests/self-managed/role.yaml "$out/files/self-managed"
cp manifests/usage/clusterrole.yaml manifests/usage/networkpolicy.yaml "$out/files/usage"
cp manifests/webhooks/mutating.yaml manifests/webhooks/validating.yaml "$out/files/webhooks"
for file in manifests/policies/*.yaml; do
	[ "$file" = manifests/policies/kustomization.yaml ] || cp "$file" "$out/files/policies"
done
cp manifests/monitoring/servicemonitor.yaml manifests/monitoring/dashboard.json "$1/manifests/monitoring/prometheusrule.yaml" "$out/files/monitoring"
# The label and two of the annotations are those by which Helm knows what belongs to a release: see "The CRD" in the chart's README.
sed 's|^  annotations:$|  labels:\
    app.kubernetes.io/managed-by: Helm\
&\
    helm.sh/resource-policy: keep\
    meta.helm.sh/release-name: shmkeeper\
    meta.helm.sh/release-namespace: shmkeeper-system|' \
	"$1/manifests/crd/shmkeeper.dev_sharedmemorypolicies.yaml" >"$out/crds/shmkeeper.dev_sharedmemorypolicies.yaml"
