package review

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/internal/podkind"
	"github.com/shmkeeper/shmkeeper/internal/podtemplate"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// input represents what a review reads: the documents, and what is in them.
type input struct {
	docs        []*manifest.Document
	workloads   []workload
	policies    []manifest.Object
	limitRanges map[string][]*corev1.LimitRange    // by namespace
	quotas      map[string][]*corev1.ResourceQuota // by namespace
	labels      map[string]map[string]string       // of the Namespaces
	skipped     map[string]int                     // by kind: the objects in which nothing is to review
	scalers     []podtemplate.Scaler
	custom      map[string]bool // the kinds whose templates were found by their shape
	notes       []string        // on what has a Pod template and is not reviewed
	objects     int
}

// workload represents a Pod or Pod template of an object.
type workload struct {
	object  manifest.Object
	subject policy.Subject
	// at is the field of the template, if the object has several; otherwise empty.
	at string
	// fixed reports whether a change of the Pod has no place in the object.
	fixed bool
}

// readInput reads manifests. namespace is that of objects without one. The error holds all that is
// wrong with them.
func readInput(files cli.FileFlags, stdin io.Reader, namespace string) (*input, error) {
	docs, err := files.Read(stdin)
	if err != nil {
		return nil, err
	}
	in := &input{
		docs: docs, limitRanges: map[string][]*corev1.LimitRange{}, quotas: map[string][]*corev1.ResourceQuota{},
		labels: map[string]map[string]string{}, skipped: map[string]int{}, custom: map[string]bool{},
	}
	var all cli.Errors
	for _, d := range docs {
		objects, err := d.Objects()
		all.Add(err)
		for _, o := range objects {
			if o.Namespace == "" {
				o.Namespace = namespace
			}
			all.Add(in.add(o))
		}
	}
	if err := all.Err(); err != nil {
		return nil, err
	}
	if len(in.custom) > 0 {
		in.notes = append(in.notes, fmt.Sprintf("what the controllers of %s add to their Pods (labels, volumes, limits) is not known here: review the Pods as well (kubectl get pods -o yaml)",
			strings.Join(slices.Sorted(maps.Keys(in.custom)), ", ")))
	}
	if in.objects == 0 && cli.IsBlank(docs) {
		return nil, files.ErrNoObjects()
	}
	return in, nil
}

func (in *input) add(o manifest.Object) error {
	in.objects++
	switch o.APIVersion + " " + o.Kind {
	case "v1 LimitRange":
		limitRange := &corev1.LimitRange{}
		in.limitRanges[o.Namespace] = append(in.limitRanges[o.Namespace], limitRange)
		return manifest.Decode(o, limitRange, false)
	case "v1 ResourceQuota":
		quota := &corev1.ResourceQuota{}
		in.quotas[o.Namespace] = append(in.quotas[o.Namespace], quota)
		err := manifest.Decode(o, quota, false)
		withInitialStatus(quota)
		return err
	case "v1 Namespace":
		var namespace corev1.Namespace
		err := manifest.Decode(o, &namespace, false)
		in.labels[o.Name] = namespace.Labels
		return err
	}
	if policyfile.Is(o) {
		in.policies = append(in.policies, o)
		return nil
	}
	if typed := podkind.New(o.APIVersion, o.Kind); typed != nil {
		return in.addTyped(o, typed)
	}
	return in.addOther(o)
}

// addTyped adds a workload of a kind whose type is known.
func (in *input) addTyped(o manifest.Object, typed runtime.Object) error {
	// Fields that are newer than this program are for the API server to check.
	if err := manifest.Decode(o, typed, false); err != nil {
		return err
	}
	subject, ok := policy.NewSubject(typed)
	if !ok {
		in.skipped[o.Kind]++
		return nil
	}
	subject.Namespace = o.Namespace
	path := cli.FieldOf(subject.Pointer + "/spec")
	if err := manifest.CheckPod(o, path, podkind.SpecOf(typed), subject.Claims...); err != nil {
		return err
	}
	in.workloads = append(in.workloads, workload{object: o, subject: subject})
	return nil
}

// decoded returns an object as maps and lists. Whole numbers stay whole.
func decoded(o manifest.Object) (map[string]any, error) {
	var object map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(o.JSON, &object); err != nil {
		return nil, o.ErrorAt("", err.Error(), "correct the document")
	}
	return object, nil
}

// withInitialStatus gives a ResourceQuota without status the one that it begins with: nothing is
// used of what its spec allows.
func withInitialStatus(quota *corev1.ResourceQuota) {
	if quota.Status.Hard != nil {
		return
	}
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{}}
	for name := range quota.Spec.Hard {
		quota.Status.Used[name] = resource.Quantity{}
	}
}

// chosenPolicies returns the policies to review by, and whose they are: those that -p names, those
// of the input, or the library's.
func (in *input) chosenPolicies(names []string, stdin io.Reader) (loaded []policyfile.Policy, whose string, err error) {
	switch {
	case len(names) > 0:
		if n := len(in.policies); n > 0 {
			in.skipped[v1alpha1.Kind] += n
			which, it := "1 SharedMemoryPolicy of the input is", "it"
			if n > 1 {
				which, it = fmt.Sprintf("%d SharedMemoryPolicies of the input are", n), "them"
			}
			in.notes = append(in.notes, which+" not used, since -p names others: leave -p out to use "+it)
		}
		loaded, err = policyfile.Load(names, stdin)
		return loaded, "the policies of -p " + strings.Join(names, ", "), err
	case len(in.policies) > 0:
		loaded, err = policyfile.Compile(in.policies)
		return loaded, "the policies of the input", err
	default:
		loaded, err = policyfile.Load(nil, stdin)
		return loaded, "the library's policies", err
	}
}
