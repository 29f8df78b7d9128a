package main

import (
	"errors"
	"io"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
)

// stream is what a review reads: the documents, and what is in them.
type stream struct {
	docs        []*manifest.Document
	targets     []target
	limitRanges map[string][]*corev1.LimitRange    // by namespace
	quotas      map[string][]*corev1.ResourceQuota // likewise
	labels      map[string]map[string]string       // of the Namespaces
	others      int                                // objects that are no targets
	passedBy    []manifest.Object                  // those of them that would be, in a version that is reviewed
}

// target is an object with a Pod or Pod template in it.
type target struct {
	object  manifest.Object
	subject policy.Subject
}

// readStream reads manifests. namespace is that of objects without one. The error tells all that is wrong with them.
func readStream(files fileFlags, stdin io.Reader, namespace string) (*stream, error) {
	docs, err := files.read(stdin)
	if err != nil {
		return nil, err
	}
	s := &stream{
		docs: docs, limitRanges: map[string][]*corev1.LimitRange{}, quotas: map[string][]*corev1.ResourceQuota{},
		labels: map[string]map[string]string{},
	}
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
		return nil, files.errNoObjects()
	}
	return s, nil
}

func (s *stream) add(o manifest.Object) error {
	switch o.APIVersion + " " + o.Kind {
	case "v1 LimitRange":
		s.others++
		limitRange := &corev1.LimitRange{}
		s.limitRanges[o.Namespace] = append(s.limitRanges[o.Namespace], limitRange)
		return manifest.Decode(o, limitRange, false)
	case "v1 ResourceQuota":
		s.others++
		quota := &corev1.ResourceQuota{}
		s.quotas[o.Namespace] = append(s.quotas[o.Namespace], quota)
		err := manifest.Decode(o, quota, false)
		unused(quota)
		return err
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
		if isOtherVersion(o) {
			s.passedBy = append(s.passedBy, o)
		}
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

// unused gives a ResourceQuota without status the one that it begins with: nothing is used of what its spec allows.
func unused(quota *corev1.ResourceQuota) {
	if quota.Status.Hard != nil {
		return
	}
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{}}
	for name := range quota.Spec.Hard {
		quota.Status.Used[name] = resource.Quantity{}
	}
}

// newWorkload is an empty object of the type that has the Pod; nil for all kinds and versions that are not reviewed.
func newWorkload(o manifest.Object) any {
	if o.APIVersion != reviewedVersions[o.Kind] {
		return nil
	}
	switch o.Kind {
	case "Pod":
		return &corev1.Pod{}
	case "ReplicationController":
		return &corev1.ReplicationController{}
	case "Deployment":
		return &appsv1.Deployment{}
	case "StatefulSet":
		return &appsv1.StatefulSet{}
	case "DaemonSet":
		return &appsv1.DaemonSet{}
	case "ReplicaSet":
		return &appsv1.ReplicaSet{}
	case "Job":
		return &batchv1.Job{}
	case "CronJob":
		return &batchv1.CronJob{}
	default:
		return nil
	}
}

// reviewedVersions are the API versions of the kinds that are reviewed.
var reviewedVersions = map[string]string{
	"Pod": "v1", "ReplicationController": "v1",
	"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "ReplicaSet": "apps/v1",
	"Job": "batch/v1", "CronJob": "batch/v1",
}

// isOtherVersion tells whether an object would be reviewed if it were written in another version of its API. Objects of
// groups of other projects are not meant, whatever kind they are of.
func isOtherVersion(o manifest.Object) bool {
	reviewed, found := reviewedVersions[o.Kind]
	return found && o.APIVersion != reviewed && (groupOf(o.APIVersion) == groupOf(reviewed) || groupOf(o.APIVersion) == "extensions")
}

// groupOf is the group of an apiVersion; empty for the core group.
func groupOf(version string) string {
	group, _, found := strings.Cut(version, "/")
	if !found {
		return ""
	}
	return group
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
