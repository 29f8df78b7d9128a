// Package reviewer evaluates manifests as the webhook would.
package reviewer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/render"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/internal/podkind"
	"github.com/shmkeeper/shmkeeper/internal/podtemplate"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Input represents what a review reads: the documents, and what is in them.
type Input struct {
	Docs      []*manifest.Document
	Workloads []Workload
	// Policies are the SharedMemoryPolicies among the manifests.
	Policies []manifest.Object
	// Skipped counts, by kind, the objects in which nothing is to review.
	Skipped map[string]int
	// Notes are about what has a Pod template, or makes one, and is not reviewed.
	Notes []string
	// Problems are what is wrong with the manifests that are left out.
	Problems []error

	limitRanges map[string][]*corev1.LimitRange    // by namespace
	quotas      map[string][]*corev1.ResourceQuota // by namespace
	labels      map[string]map[string]string       // of the Namespaces
	scalers     []podtemplate.Scaler
	custom      map[string]bool   // the kinds whose templates were found by their shape
	rendered    map[string]string // by source, the file that it was rendered from
	objects     int
}

// Workload represents a Pod or Pod template of an object.
type Workload struct {
	Object  manifest.Object
	Subject policy.Subject
	// At is the field of the template, if the object has several; otherwise empty.
	At string
	// Fixed reports whether a change of the Pod has no place in the object.
	Fixed bool
	// Replicas is how many Pods the object makes at a time; nil if its manifest does not say.
	Replicas *int64
}

// Sources represents what a review reads from.
type Sources struct {
	Files cli.FileFlags
	// Rendered are the kustomizations and charts to render, with the values of Values.
	Rendered, Values []string
	// Namespace is that of objects without one.
	Namespace string
}

// Read reads manifests. What is wrong with a file or a document leaves it out and is one of the
// Problems; the rest is there. It fails if there is nothing at all.
func Read(ctx context.Context, from Sources, stdin io.Reader) (*Input, error) {
	in := &Input{
		limitRanges: map[string][]*corev1.LimitRange{}, quotas: map[string][]*corev1.ResourceQuota{}, labels: map[string]map[string]string{},
		Skipped: map[string]int{}, custom: map[string]bool{}, rendered: map[string]string{},
	}
	finder := render.NewFinder(from.Rendered)
	docs, err := manifest.Reader{Recursive: from.Files.Recursive, Stdin: stdin, Leave: finder.Leave}.Read(from.Files.Names)
	in.problem(err)
	in.Docs = docs
	for _, dir := range from.Rendered {
		if err := in.render(ctx, dir, from); err != nil {
			return nil, err
		}
	}
	// To parse takes the longest, and each document is parsed once.
	each(len(in.Docs), func(i int) { in.Docs[i].IsBlank() })
	for _, d := range in.Docs {
		if d.IsOther() && finder.IsOther(d.Source, slices.Contains(from.Files.Names, d.Source)) {
			in.Skipped[render.NoObject]++
			continue
		}
		objects, err := d.Objects()
		in.problem(err)
		for _, o := range objects {
			if o.Namespace == "" {
				o.Namespace = from.Namespace
			}
			in.problem(in.add(o))
		}
	}
	in.Notes = append(in.Notes, finder.Notes()...)
	if len(in.custom) > 0 {
		in.Notes = append(in.Notes, fmt.Sprintf("what the controllers of %s add to their Pods (labels, volumes, limits) is not known here: review the Pods as well (kubectl get pods -o yaml)",
			strings.Join(slices.Sorted(maps.Keys(in.custom)), ", ")))
	}
	if in.objects == 0 && len(in.Problems)+len(in.Notes) == 0 && cli.IsBlank(in.Docs) {
		read := from.Files
		read.Names = slices.Concat(read.Names, from.Rendered)
		return nil, read.ErrNoObjects()
	}
	return in, nil
}

// each calls f with each number below n, on all processors.
func each(n int, f func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(n, goruntime.GOMAXPROCS(0)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	group.Wait()
}

// render adds what a kustomization or chart makes.
func (in *Input) render(ctx context.Context, dir string, from Sources) error {
	text, file, err := render.Run(ctx, dir, render.Options{Values: from.Values, Namespace: from.Namespace})
	if err != nil {
		return err
	}
	source := file + " (rendered)"
	docs, err := manifest.Read(strings.NewReader(text), source)
	in.problem(err)
	in.Docs, in.rendered[source] = append(in.Docs, docs...), file
	return nil
}

// problem adds what is wrong, each mistake on its own.
func (in *Input) problem(err error) {
	var all cli.Errors
	all.Add(err)
	in.Problems = append(in.Problems, all...)
}

// Errors returns the problems: of each file the first few, so that each is named.
func (in *Input) Errors() error {
	var order []string
	of := map[string]*cli.Errors{}
	for _, err := range in.Problems {
		source := ""
		if at := (*manifest.Error)(nil); errors.As(err, &at) {
			source = at.Source
		}
		if of[source] == nil {
			order, of[source] = append(order, source), &cli.Errors{}
		}
		of[source].Add(err)
	}
	var all []error
	for _, source := range order {
		all = append(all, of[source].Err())
	}
	return errors.Join(all...)
}

// Place returns the file and line of a field of an object; of what was rendered the file that it
// was rendered from, and line 1.
func (in *Input) Place(o manifest.Object, path string) (file string, line int) {
	source := o.Document.Source
	if from, found := in.rendered[source]; found {
		return from, 1
	}
	return source, o.Document.Line(o.FieldPath(path))
}

// add adds an object. A workload that is not valid is left out.
func (in *Input) add(o manifest.Object) error {
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
		in.Policies = append(in.Policies, o)
		return nil
	}
	if typed := podkind.New(o.APIVersion, o.Kind); typed != nil {
		return in.addTyped(o, typed)
	}
	return in.addOther(o)
}

// addTyped adds a workload of a kind whose type is known.
func (in *Input) addTyped(o manifest.Object, typed runtime.Object) error {
	// Fields that are newer than this program are for the API server to check.
	if err := manifest.Decode(o, typed, false); err != nil {
		return err
	}
	subject, ok := policy.NewSubject(typed)
	if !ok {
		in.Skipped[o.Kind]++
		return nil
	}
	subject.Namespace = o.Namespace
	path := cli.FieldOf(subject.Pointer + "/spec")
	if err := manifest.CheckPod(o, path, podkind.SpecOf(typed), subject.Claims...); err != nil {
		return err
	}
	in.Workloads = append(in.Workloads, Workload{Object: o, Subject: subject, Replicas: replicasOf(typed)})
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

// Chosen represents the policies to review by.
type Chosen struct {
	Policies []policyfile.Policy
	// Whose says whose they are, in words.
	Whose string
	// Names are what -p names, or where they are from otherwise: input or library.
	Names []string
}

// Choose returns the policies to review by: those that -p names, those of the input, or the
// library's. All of them have to be valid, since each could decide.
func (in *Input) Choose(names []string, stdin io.Reader) (Chosen, error) {
	switch {
	case len(names) > 0:
		if n := len(in.Policies); n > 0 {
			in.Skipped[v1alpha1.Kind] += n
			which, it := "1 SharedMemoryPolicy of the input is", "it"
			if n > 1 {
				which, it = fmt.Sprintf("%d SharedMemoryPolicies of the input are", n), "them"
			}
			in.Notes = append(in.Notes, which+" not used, since -p names others: leave -p out to use "+it)
		}
		loaded, err := policyfile.Load(names, stdin)
		return Chosen{loaded, "the policies of -p " + strings.Join(names, ", "), names}, err
	case len(in.Policies) > 0:
		loaded, err := policyfile.Compile(in.Policies)
		return Chosen{loaded, "the policies of the input", []string{"input"}}, err
	default:
		loaded, err := policyfile.Load(nil, stdin)
		return Chosen{loaded, "the library's policies", []string{"library"}}, err
	}
}
