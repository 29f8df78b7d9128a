package review

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

// BenchmarkReview reviews a thousand Deployments, of which two in five are changed.
func BenchmarkReview(b *testing.B) {
	images := []string{"selenium/node-chrome", "nginx", "harbor.local/ghcr/goauthentik/proxy", "postgres:17", "busybox"}
	var in strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&in, `---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-%d
  namespace: ns-%d
  labels: {app.kubernetes.io/name: app-%d, app.kubernetes.io/managed-by: argocd}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: app-%d}}
  template:
    metadata: {labels: {app.kubernetes.io/name: app-%d}}
    spec:
      containers:
      - name: main
        image: %s
        env: [{name: MODE, value: production}]
        resources: {limits: {memory: 512Mi, cpu: "1"}, requests: {memory: 256Mi, cpu: 100m}}
      - {name: proxy, image: "envoyproxy/envoy:v1.36", resources: {limits: {memory: 128Mi}}}
`, i, i%200, i, i, i, images[i%len(images)])
	}
	for b.Loop() {
		if got := shm(in.String(), "review", "-f", "-"); got.Code != cli.ExitOK {
			b.Fatalf("exit status %d: %.500s", got.Code, got.ErrOut)
		}
	}
}
