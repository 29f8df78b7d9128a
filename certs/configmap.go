package certs

import (
	"bytes"
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
)

// bundleKey is the key of the bundle in its ConfigMap.
const bundleKey = "ca.crt"

// bundleResync is how often the ConfigMap is written though the bundle has not changed, in case that
// somebody else has changed or deleted it.
const bundleResync = 10 * time.Minute

// exportBundle writes the bundle into a ConfigMap with the name of the Secret, for those who verify
// the server and are not the API server, such as a Prometheus. A failure is logged, and it is tried
// again.
func (s *SelfManaged) exportBundle(ctx context.Context) {
	bundle, now := s.CABundle(), s.options.Clock.Now()
	if bundle == nil || bytes.Equal(bundle, s.exported) && now.Sub(s.exportedAt) < bundleResync {
		return
	}
	o := corev1apply.ConfigMap(s.options.SecretName, s.options.Namespace).
		WithLabels(map[string]string{"app.kubernetes.io/name": "shmkeeper", "app.kubernetes.io/managed-by": "shmkeeper"}).
		WithData(map[string]string{bundleKey: string(bundle)})
	_, err := s.options.Client.CoreV1().ConfigMaps(s.options.Namespace).Apply(ctx, o, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil {
		s.options.Log.Error(fmt.Errorf("write ConfigMap %q in namespace %q: %w: make sure that the server may create and patch it",
			s.options.SecretName, s.options.Namespace, err), "The CA bundle could not be exported; trying again")
		return
	}
	s.exported, s.exportedAt = bundle, now
}
