package scan

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// ConfigMapName is the name of the ConfigMap by which the leader tells the other replicas which
// Pods could not be created again: any replica is asked when a namespace gets the mode enforce.
const ConfigMapName = "shmkeeper-audit"

const (
	blockedKey = "could-not-be-created.json"
	// mostBlocked bounds the namespaces in the ConfigMap: with three names of Pods, of 253
	// characters at most, they stay below the 1 MiB that it may have.
	mostBlocked = 1000
)

// lastScan is what the ConfigMap has.
type lastScan struct {
	// Time is when the scan began.
	Time metav1.Time `json:"time"`
	// Unlabelled reports whether it looked at namespaces without the label of a mode too.
	Unlabelled bool               `json:"unlabelled,omitempty"`
	Namespaces map[string]blocked `json:"namespaces"`
}

// writeBlocked tells the other replicas what the scan has found.
func (s *scanner) writeBlocked(ctx context.Context, t *tally, begun time.Time) error {
	content := lastScan{Time: metav1.NewTime(begun.UTC()), Unlabelled: s.Unlabelled, Namespaces: t.blocked}
	if len(t.blocked) > mostBlocked {
		// The others get no warning.
		content.Namespaces = make(map[string]blocked, mostBlocked)
		for _, name := range slices.Sorted(maps.Keys(t.blocked))[:mostBlocked] {
			content.Namespaces[name] = t.blocked[name]
		}
		s.log.Info("Too many namespaces have Pods that could not be created again; some get no warning when their mode is set to enforce",
			"namespaces", len(t.blocked), "known", mostBlocked)
	}
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": ConfigMapName, "namespace": s.Namespace,
			"labels": map[string]string{"app.kubernetes.io/name": "shmkeeper"},
		},
		"data": map[string]string{blockedKey: string(text)},
	})
	if err != nil {
		return err
	}
	force := true
	_, err = s.kube.CoreV1().ConfigMaps(s.Namespace).Patch(ctx, ConfigMapName, types.ApplyPatchType, body,
		metav1.PatchOptions{FieldManager: fieldManager, Force: &force})
	if err != nil {
		return fmt.Errorf("write ConfigMap %q: %w", ConfigMapName, err)
	}
	return nil
}

// CacheOptions returns the options with which a manager's cache keeps the ConfigMap that Watch
// reads, and no other.
func CacheOptions(namespace string) cache.ByObject {
	return cache.ByObject{
		Namespaces: map[string]cache.Config{namespace: {}},
		Field:      fields.OneTermEqualSelector(metav1.ObjectNameField, ConfigMapName),
	}
}

// LastScan is what the last scan has found, on every replica. The zero value knows nothing.
type LastScan struct{ last atomic.Pointer[lastScan] }

// Watch returns a LastScan that follows the ConfigMap in a cache, which is started by others and
// made with CacheOptions.
func Watch(c cache.Cache) (*LastScan, error) {
	informer, err := c.GetInformer(context.Background(), &corev1.ConfigMap{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watching ConfigMap %q: %w", ConfigMapName, err)
	}
	l := &LastScan{}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    l.read,
		UpdateFunc: func(_, object any) { l.read(object) },
		DeleteFunc: func(any) { l.last.Store(nil) },
	})
	return l, err
}

// read takes what the ConfigMap says. What cannot be read is not a scan.
func (l *LastScan) read(object any) {
	m, ok := object.(*corev1.ConfigMap)
	if !ok || m.Name != ConfigMapName {
		return
	}
	var content lastScan
	if json.Unmarshal([]byte(m.Data[blockedKey]), &content) != nil {
		l.last.Store(nil)
		return
	}
	l.last.Store(&content)
}

// CouldNotBeCreated returns how many running Pods of a namespace could not be created again in mode
// enforce, the names of the first few, and when the scan began that found them. It is 0 if the scan
// found none, did not look at the namespace, or is not known.
func (l *LastScan) CouldNotBeCreated(namespace string) (pods int32, names []string, at time.Time) {
	last := l.last.Load()
	if last == nil {
		return 0, nil, time.Time{}
	}
	b := last.Namespaces[namespace]
	return b.Pods, b.Names, last.Time.Time
}

// LeavesOutUnlabelled reports whether the last scan did not look at namespaces without the label of a
// mode; false if no scan is known.
func (l *LastScan) LeavesOutUnlabelled() bool {
	last := l.last.Load()
	return last != nil && !last.Unlabelled
}
