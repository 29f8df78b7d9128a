package webhook

import (
	"errors"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/json"

	"github.com/shmkeeper/shmkeeper/policy"
)

// reviewRequest is the part of an admission request that answers depend on.
type reviewRequest struct {
	uid             types.UID
	kind            metav1.GroupVersionKind
	name, namespace string
	operation       admissionv1.Operation
	// dryRun reports whether the request changes nothing.
	dryRun bool
	// object and old return the object and the one that an update replaces, without what is known
	// of their namespace.
	object, old func() (policy.Subject, error)
}

var errNoObject = errors.New("the request has no object: call this webhook for CREATE and UPDATE only")

// kindOfObject is the kind of a request's object.
type kindOfObject = metav1.GroupVersionKind

// objectReader reads an object. The result makes a subject of it, once the kind is known.
type objectReader func(*cursor) func(kindOfObject) (policy.Subject, error)

// review reads an AdmissionReview.
func (c *cursor) review(read objectReader) *reviewRequest {
	none := func() (policy.Subject, error) { return policy.Subject{}, errNoObject }
	r := &reviewRequest{object: none, old: none}
	kind, version := "", ""
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "kind":
			kind = c.text()
		case "apiVersion":
			version = c.text()
		case "request":
			c.request(r, read)
		default:
			c.fail(errUnusual)
		}
	}
	c.end()
	if kind != "AdmissionReview" || version != admissionv1.SchemeGroupVersion.String() {
		c.fail(errUnusual)
	}
	return r
}

func (c *cursor) request(r *reviewRequest, read objectReader) {
	var object func(kindOfObject) (policy.Subject, error)
	var old []byte
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "uid":
			r.uid = types.UID(c.short())
		case "kind":
			c.kind(&r.kind)
		case "name":
			r.name = c.short()
		case "namespace":
			r.namespace = c.short()
		case "operation":
			r.operation = admissionv1.Operation(c.short())
		case "dryRun":
			r.dryRun = c.boolean()
		case "object":
			if !c.null() {
				object = read(c)
			}
		case "oldObject":
			if !c.null() {
				old = c.raw()
			}
		default:
			c.skipField()
		}
	}
	r.object = func() (policy.Subject, error) {
		if object == nil {
			return policy.Subject{}, errNoObject
		}
		return object(r.kind)
	}
	r.old = func() (policy.Subject, error) {
		if old == nil {
			return policy.Subject{}, errNoObject
		}
		var another cursor // few requests need it
		another.reset(old)
		object := read(&another)
		another.end()
		if another.err != nil {
			c.fail(another.err)
			return policy.Subject{}, another.err
		}
		return object(r.kind)
	}
}

func (c *cursor) kind(k *kindOfObject) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "group":
			k.Group = c.short()
		case "version":
			k.Version = c.short()
		case "kind":
			k.Kind = c.short()
		default:
			c.skipField()
		}
	}
}

// checkVersion returns why the full decoder must not read a review: it would take one of any version
// for one of v1. The fields of v1beta1 are the same.
func checkVersion(body []byte) error {
	var review metav1.TypeMeta
	if err := json.UnmarshalCaseSensitivePreserveInts(body, &review); err != nil {
		return errNotJSON
	}
	switch review.APIVersion {
	case admissionv1.SchemeGroupVersion.String(), admissionv1beta1.SchemeGroupVersion.String():
		return nil
	default:
		return fmt.Errorf("apiVersion: %q is not a version of AdmissionReview: send %s", bounded(review.APIVersion), admissionv1.SchemeGroupVersion)
	}
}

// newRequest returns a request of which the full decoder has read all but the objects.
func newRequest(req *admission.Request, decode func(runtime.RawExtension, kindOfObject) (policy.Subject, error)) *reviewRequest {
	read := func(raw runtime.RawExtension) (policy.Subject, error) {
		if len(raw.Raw) == 0 {
			return policy.Subject{}, errNoObject // whatever the kind
		}
		return decode(raw, req.Kind)
	}
	return &reviewRequest{
		uid: req.UID, kind: req.Kind, name: req.Name, namespace: req.Namespace, operation: req.Operation,
		dryRun: req.DryRun != nil && *req.DryRun,
		object: func() (policy.Subject, error) { return read(req.Object) },
		old:    func() (policy.Subject, error) { return read(req.OldObject) },
	}
}

// decode reads an object as an API server wrote it. Unknown fields are ignored: the API server
// may be newer.
func decode(raw runtime.RawExtension, into any) error {
	if len(raw.Raw) == 0 {
		return errNoObject
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(raw.Raw, into); err != nil {
		return fmt.Errorf("read the object of the request: %w", err)
	}
	return nil
}

// readPod implements objectReader for Pods; decodePod does the same by the full decoder.
func readPod(c *cursor) func(kindOfObject) (policy.Subject, error) {
	pod := c.pod()
	return func(kindOfObject) (policy.Subject, error) { return subjectOf(pod), nil }
}

func decodePod(raw runtime.RawExtension, _ kindOfObject) (policy.Subject, error) {
	pod := &policy.PodView{}
	if err := decode(raw, pod); err != nil {
		return policy.Subject{}, err
	}
	return subjectOf(pod), nil
}

func subjectOf(pod *policy.PodView) policy.Subject {
	subject := policy.Subject{Kind: "Pod", Name: pod.Metadata.Name, Pod: pod}
	if subject.Name == "" {
		subject.Name = pod.Metadata.GenerateName
	}
	return subject
}
