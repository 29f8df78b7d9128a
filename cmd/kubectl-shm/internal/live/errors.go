package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"strings"

	"github.com/dustin/go-humanize/english"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ErrMissingKind is in the error of a kind that the cluster does not have.
var ErrMissingKind = errors.New("the cluster does not have this kind")

// Explain returns the error of a request in words that end in what to do about it; nil for nil, and
// one that is explained already as it is. doing begins the message: "read Pods in all namespaces".
func (c *Cluster) Explain(doing string, err error) error { return c.explain(doing, err) }

// explained is an error that ends in a remedy.
type explained struct{ error }

// Unwrap returns the error with its cause.
func (e explained) Unwrap() error { return e.error }

func (c *Cluster) explain(doing string, err error) error {
	var done explained
	if err == nil || errors.As(err, &done) {
		return err
	}
	remedy := "try again, and tell the cluster's administrator if it lasts"
	var dial *net.OpError
	var address *url.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err // the user interrupted it, and knows
	case apierrors.IsForbidden(err):
		remedy = "ask for this right, choose other credentials with --context or --as, or look at a namespace of yours with -n"
	case apierrors.IsNotFound(err):
		remedy = "check the name, and the namespace with -n"
	case apierrors.IsUnauthorized(err):
		err = errors.New("the cluster does not accept the credentials (401 Unauthorized)")
		remedy = "log in again, or choose others with --context or --user"
	case meta.IsNoMatchError(err):
		err = fmt.Errorf("%w: %w", ErrMissingKind, err)
		remedy = "install what brings it"
	case apierrors.IsResourceExpired(err):
		remedy = "try again: the list was read too slowly, and look at fewer namespaces or labels if it lasts"
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		remedy = "give it more time with --request-timeout, or look at fewer namespaces"
	case errors.As(err, &address) || errors.As(err, &dial):
		err = fmt.Errorf("the cluster at %s does not answer: %w", c.Config.Host, cause(err))
		remedy = "check --context, and that its network can be reached from here"
	}
	return explained{fmt.Errorf("%s: %w: %s", doing, err, remedy)}
}

// cause returns an error without the URL of the request, which says no more than the host.
func cause(err error) error {
	var address *url.Error
	if errors.As(err, &address) {
		return address.Err
	}
	return err
}

// kindOf returns what messages call the objects of a list: Pods, ResourceQuotas.
func kindOf(list client.ObjectList) string {
	kind := ""
	if partial, ok := list.(*metav1.PartialObjectMetadataList); ok {
		kind = partial.Kind
	} else {
		kind = reflect.TypeOf(list).Elem().Name()
	}
	return english.PluralWord(2, strings.TrimSuffix(kind, "List"), "")
}

// missing reports whether what failed can be done without: the rights to it are missing.
func missing(err error) bool { return apierrors.IsForbidden(err) || errors.Is(err, ErrMissingKind) }
