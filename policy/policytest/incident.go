package policytest

// IncidentPod is the Pod of the incident in YAML, as a mutating webhook sees it.
const IncidentPod = `
metadata:
  generateName: ak-outpost-authentik-embedded-outpost-587598dc4b-
  namespace: authentik
  annotations: {kubernetes.io/limit-ranger: "LimitRanger plugin set: memory limit for container proxy"}
  labels:
    app: authentik-outpost
    app.kubernetes.io/managed-by: goauthentik.io
    app.kubernetes.io/name: authentik-outpost-proxy
    app.kubernetes.io/version: 2026.2.2
    goauthentik.io/outpost-name: authentik-embedded-outpost
    goauthentik.io/outpost-type: proxy
    goauthentik.io/outpost-uuid: 5f3a9c6d1b7e4d0f8a2c4e6b9d1f3a57
    pod-template-hash: 587598dc4b
spec:
  containers:
  - name: proxy
    image: ghcr.io/goauthentik/proxy:2026.2.2
    env:
    - {name: AUTHENTIK_HOST, value: https://auth.example.org}
    - {name: AUTHENTIK_INSECURE, value: "false"}
    resources: {requests: {memory: 64Mi}, limits: {memory: 256Mi}}
    volumeMounts: [{name: kube-api-access-x7k2p, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}]
  volumes: [{name: kube-api-access-x7k2p, projected: {sources: []}}]
`
