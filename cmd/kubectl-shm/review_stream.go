package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
)

// stream is what a review reads: the documents, and what is in them.
type stream struct {
	docs        []*manifest.Document
	targets     []target
	limitRanges map[string][]*corev1.LimitRange // by namespace
	labels      map[string]map[string]string    // of the Namespaces
	others      int                             // objects that are no targets
}

// target is an object with a Pod or Pod template in it.
type target struct {
	object  manifest.Object
	subject policy.Subject
}

// readStream reads manifests. namespace is that of objects without one. The error tells all that is wrong with them.
func readStream(paths []string, recursive bool, stdin io.Reader, namespace string) (*stream, error) {
	docs, err := manifest.ReadPaths(paths, recursive, stdin)
	if err != nil {
		return nil, err
	}
	s := &stream{docs: docs, limitRanges: map[string][]*corev1.LimitRange{}, labels: map[string]map[string]string{}}
	var all problems
	for _, d := range docs {
		objects, err := d.Objects()
		all.add(err)
		for _, o := range objects {
			if o.Namespace == "" {
				o.Namespace = namespace
			}
			all.add(s.add(o))
		}
	}
	if err := all.err(); err != nil {
		return nil, err
	}
	if len(s.targets)+s.others == 0 && isBlank(docs) {
		return nil, errNoObjects(paths)
	}
	return s, nil
}

// errNoObjects is told instead of success: what was to write the manifests has probably failed.
func errNoObjects(paths []string) error {
	return fmt.Errorf("%s: there is no object in it: check what wrote it", strings.Join(paths, ", "))
}

// isBlank tells whether documents without objects have no content at all. An empty List has some.
func isBlank(docs []*manifest.Document) bool {
	for _, d := range docs {
		var content any
		if err := yaml.Unmarshal(d.Raw(), &content); err != nil || content != nil {
			return false
		}
	}
	return true
}

func (s *stream) add(o manifest.Object) error {
	switch o.APIVersion + " " + o.Kind {
	case "v1 LimitRange":
		s.others++
		limitRange := &corev1.LimitRange{}
		s.limitRanges[o.Namespace] = append(s.limitRanges[o.Namespace], limitRange)
		return manifest.Decode(o, limitRange, false)
	case "v1 Namespace":
		s.others++
		var namespace corev1.Namespace
		err := manifest.Decode(o, &namespace, false)
		s.labels[o.Name] = namespace.Labels
		return err
	}
	workload := newWorkload(o)
	if workload == nil {
		s.others++
		return nil
	}
	// Fields that are newer than this program are not for it to judge: the API server does.
	if err := manifest.Decode(o, workload, false); err != nil {
		return err
	}
	subject, ok := policy.NewSubject(workload)
	if !ok {
		s.others++
		return nil
	}
	subject.Namespace = o.Namespace
	path := strings.ReplaceAll(strings.TrimPrefix(subject.Pointer+"/spec", "/"), "/", ".")
	if err := manifest.CheckPod(path, subject.Spec, claims(workload)...); err != nil {
		return locate(o, err)
	}
	s.targets = append(s.targets, target{object: o, subject: subject})
	return nil
}

// newWorkload is an empty object of the type that has the Pod; nil for all kinds and versions that are not reviewed.
func newWorkload(o manifest.Object) any {
	switch o.APIVersion + " " + o.Kind {
	case "v1 Pod":
		return &corev1.Pod{}
	case "v1 ReplicationController":
		return &corev1.ReplicationController{}
	case "apps/v1 Deployment":
		return &appsv1.Deployment{}
	case "apps/v1 StatefulSet":
		return &appsv1.StatefulSet{}
	case "apps/v1 DaemonSet":
		return &appsv1.DaemonSet{}
	case "apps/v1 ReplicaSet":
		return &appsv1.ReplicaSet{}
	case "batch/v1 Job":
		return &batchv1.Job{}
	case "batch/v1 CronJob":
		return &batchv1.CronJob{}
	default:
		return nil
	}
}

// claims are the names of the volumes that a StatefulSet adds to its Pods.
func claims(workload any) []string {
	set, ok := workload.(*appsv1.StatefulSet)
	if !ok {
		return nil
	}
	names := make([]string, len(set.Spec.VolumeClaimTemplates))
	for i := range names {
		names[i] = set.Spec.VolumeClaimTemplates[i].Name
	}
	return names
}

// patch carries out on the documents what the results change.
func (s *stream) patch(results []result) error {
	for _, r := range results {
		err := r.object.Document.Patch(r.object.Pointer, r.patch)
		var at *manifest.Error
		if errors.As(err, &at) && at.Path == "" {
			at.Path = pathInDocument(r.object, "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
