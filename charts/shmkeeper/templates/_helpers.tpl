{{/* The port with a name: the value, or the default, which is 10000 higher in the network of the nodes. */}}
{{- define "shmkeeper.port" -}}
{{- $default := index (dict "webhook" 9443 "metrics" 8443 "health" 8081) .name -}}
{{- if .root.Values.hostNetwork }}{{ $default = add $default 10000 }}{{ end -}}
{{- index .root.Values.ports .name | default $default | int -}}
{{- end -}}

{{- define "shmkeeper.image" -}}
{{- with .Values.image -}}
{{- .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the serving certificate; empty if the server makes its own. */}}
{{- define "shmkeeper.certSecret" -}}
{{- if eq .Values.certs.source "cert-manager" }}shmkeeper-serving{{ else if eq .Values.certs.source "secret" }}{{ .Values.certs.secret.name }}{{ end -}}
{{- end -}}

{{/* The names of the policies to install, as a JSON list. */}}
{{- define "shmkeeper.policies" -}}
{{- $library := list -}}
{{- range $path, $_ := .Files.Glob "files/policies/*.yaml" }}{{ $library = append $library (base $path | trimSuffix ".yaml") }}{{ end -}}
{{- range concat .Values.policies.include .Values.policies.exclude -}}
{{- if not (has . (append $library "*")) }}{{ fail (printf "policies: %q is not a policy of the library: write one of %s" . (join ", " $library)) }}{{ end -}}
{{- end -}}
{{- $chosen := .Values.policies.include -}}
{{- if has "*" $chosen }}{{ $chosen = $library }}{{ end -}}
{{- $names := list -}}
{{- range $chosen }}{{ if not (has . $.Values.policies.exclude) }}{{ $names = append $names . }}{{ end }}{{ end -}}
{{- $names | uniq | toJson -}}
{{- end -}}

{{/* The webhooks that are to fail open though they ship otherwise, as a JSON list. */}}
{{- define "shmkeeper.failOpen" -}}
{{- $enforce := .Values.webhooks.enforce.failurePolicy | default (eq .Values.maxMode "enforce" | ternary "Fail" "Ignore") -}}
{{- $policies := .Values.webhooks.policies.failurePolicy | default (include "shmkeeper.policies" . | fromJsonArray | empty | ternary "Fail" "Ignore") -}}
{{- $names := list -}}
{{- if eq $enforce "Ignore" }}{{ $names = append $names "enforce" }}{{ end -}}
{{- if eq $policies "Ignore" }}{{ $names = append $names "policies" }}{{ end -}}
{{- $names | toJson -}}
{{- end -}}

{{/* Stops where the release could not work. */}}
{{- define "shmkeeper.check" -}}
{{- if ne .Release.Namespace "shmkeeper-system" -}}
{{- fail (printf "the release is for the namespace %q, but the webhook configurations leave out shmkeeper-system by name: add --namespace=shmkeeper-system" .Release.Namespace) -}}
{{- end -}}
{{- if ne .Release.Name "shmkeeper" -}}
{{- fail (printf "the release is called %q, but the CRD is marked as part of a release called shmkeeper: give it that name; a cluster has room for one" .Release.Name) -}}
{{- end -}}
{{- if and (eq .Values.certs.source "secret") (not (and .Values.certs.secret.name .Values.certs.secret.caBundle)) -}}
{{- fail "certs.secret: name and caBundle are needed with certs.source=secret: name the Secret, and give the CA of its certificate in PEM" -}}
{{- end -}}
{{- end -}}
