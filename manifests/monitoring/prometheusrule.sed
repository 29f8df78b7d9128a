# Makes a PrometheusRule of rules.yaml: a header, and everything from its groups on as the spec.
1i\
# Written by `make generate` from rules.yaml. Do not edit.\
apiVersion: monitoring.coreos.com/v1\
kind: PrometheusRule\
metadata:\
  name: shmkeeper\
  namespace: shmkeeper-system\
  labels:\
    app.kubernetes.io/name: shmkeeper\
spec:
/^groups:/,$ {
  s/^./  &/
  p
}
