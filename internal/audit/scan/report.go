package scan

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/internal/audit"
	"github.com/shmkeeper/shmkeeper/policy"
)

// ReportName is the name of the report of each namespace.
const ReportName = "shmkeeper"

const (
	fieldManager = "shmkeeper-audit"
	source       = "shmkeeper"
	category     = "Shared memory"
	// longestMessage bounds the message of a result, in bytes.
	longestMessage = 1024
)

// reportAPI is an API that reports can be written to. The results of both have the same fields
// (github.com/openreports/reports-api v0.2.1, and PolicyReport v1alpha2 of the Policy working
// group, of which OpenReports is the successor).
type reportAPI struct{ group, version, resource, kind string }

// reportAPIs are those that are known, the preferred one first.
var reportAPIs = []reportAPI{
	{"openreports.io", "v1alpha1", "reports", "Report"},
	{"wgpolicyk8s.io", "v1alpha2", "policyreports", "PolicyReport"},
}

func (a *reportAPI) path(namespace string) string {
	path := "/apis/" + a.group + "/" + a.version
	if namespace != "" {
		path += "/namespaces/" + namespace
	}
	return path + "/" + a.resource
}

// report is a report of one namespace.
type report struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metav1.ObjectMeta `json:"metadata"`
	// Source is a field of OpenReports alone.
	Source  string                  `json:"source,omitempty"`
	Scope   *corev1.ObjectReference `json:"scope,omitempty"`
	Summary summary                 `json:"summary"`
	Results []result                `json:"results"`
}

type summary struct {
	Pass  int32 `json:"pass"`
	Fail  int32 `json:"fail"`
	Warn  int32 `json:"warn"`
	Error int32 `json:"error"`
	Skip  int32 `json:"skip"`
}

// result is what a report says about one Pod.
type result struct {
	Source     string                   `json:"source"`
	Policy     string                   `json:"policy"`
	Rule       string                   `json:"rule,omitempty"`
	Category   string                   `json:"category,omitempty"`
	Severity   string                   `json:"severity,omitempty"`
	Result     string                   `json:"result"`
	Scored     bool                     `json:"scored,omitempty"`
	Resources  []corev1.ObjectReference `json:"resources,omitempty"`
	Message    string                   `json:"message,omitempty"`
	Properties map[string]string        `json:"properties,omitempty"`
}

func (r *result) pod() string {
	if len(r.Resources) == 0 {
		return ""
	}
	return r.Resources[0].Name
}

// resultOf returns the result about a Pod that violates its policy.
func resultOf(f *audit.Finding, pod *audit.Pod) result {
	severity := "medium"
	if couldNotBeCreated(f) {
		severity = "high"
	}
	reasons := make([]string, 0, 4)
	for _, reason := range audit.Reasons(f.Violations) {
		reasons = append(reasons, string(reason))
	}
	properties := map[string]string{
		"workload": shorten(f.Workload.String(), longestMessage), "reasons": strings.Join(reasons, ","),
		"created-again": string(f.Outcome), "outdated": strconv.FormatBool(f.Outdated),
	}
	if f.Current > 0 {
		properties["size"] = f.Current.String()
	}
	if f.Given > 0 {
		properties["size-of-policy"] = f.Given.String()
	}
	return result{
		Source: source, Category: category, Policy: f.Policy, Rule: string(f.Violations[0].Reason), Severity: severity,
		Result: "fail", Scored: true, Resources: []corev1.ObjectReference{podReference(pod)},
		Message: shorten(policy.Details(f.Violations), longestMessage), Properties: properties,
	}
}

// writerResult returns the result about a Pod that no policy matches and that looks like a writer.
func writerResult(suggestion string, pod *audit.Pod) result {
	message := "no policy matches this Pod, which names or mounts a path in /dev/shm: match it in a policy of your own"
	if suggestion != "" {
		message = fmt.Sprintf("no policy matches this Pod, and policy %q of shmkeeper's library would: apply that, or match the Pod in a policy of your own", suggestion)
	}
	r := result{
		Source: source, Category: category, Policy: "none", Rule: string(policy.NoPolicy), Severity: "low",
		Result: "warn", Resources: []corev1.ObjectReference{podReference(pod)}, Message: message,
		Properties: map[string]string{"workload": shorten(audit.WorkloadOf(pod).String(), longestMessage)},
	}
	if suggestion != "" {
		r.Properties["library-policy"] = suggestion
	}
	return r
}

// shorten returns the beginning of a text of more bytes than may be.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most - len("...")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}

// newReport returns the report of a namespace; ok is false if there is nothing to report. owner is
// the namespace of the server: with it the report goes too.
func newReport(api *reportAPI, n *namespaceTally, owner *metav1.OwnerReference) (r report, ok bool) {
	results := append(sortedResults(n.results), sortedResults(n.writers)...)
	if len(results) == 0 {
		return report{}, false
	}
	if len(results) > mostResults {
		results = results[:mostResults]
	}
	summary := summary{Fail: n.violating, Warn: n.unmatchedWriters}
	if cut := int(n.violating+n.unmatchedWriters) - len(results); cut > 0 {
		results = append(results, result{
			Source: source, Category: category, Policy: "none", Result: "skip",
			Message: fmt.Sprintf("%d more Pods are left out: kubectl shm audit -n %s lists them all", cut, n.name),
		})
		summary.Skip = 1
	}
	r = report{
		APIVersion: api.group + "/" + api.version, Kind: api.kind,
		Metadata: metav1.ObjectMeta{
			Name: ReportName, Namespace: n.name,
			Labels: map[string]string{"app.kubernetes.io/name": "shmkeeper", "app.kubernetes.io/managed-by": "shmkeeper"},
		},
		Scope:   &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: n.name},
		Summary: summary, Results: results,
	}
	if owner != nil {
		r.Metadata.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	if api.group == reportAPIs[0].group {
		r.Source = source
	}
	return r, true
}

// reports are those of one API, in one scan.
type reports struct {
	client rest.Interface
	api    *reportAPI // nil if the cluster has none
	owner  *metav1.OwnerReference
	// there are the namespaces with a report, and written is what was written last.
	there   map[string]bool
	written map[string][sha256.Size]byte
}

// openReports finds the API that reports are written to, and the reports that there are. Those of
// an API that is no longer preferred are deleted. written is what earlier scans have written, by
// namespace. An error is one of the API server.
func openReports(ctx context.Context, kube kubernetes.Interface, written map[string][sha256.Size]byte, owner *metav1.OwnerReference) (*reports, error) {
	r := &reports{client: kube.CoreV1().RESTClient(), owner: owner, written: written}
	for i := range reportAPIs {
		api := &reportAPIs[i]
		there, err := r.list(ctx, api)
		switch {
		case err != nil:
			return nil, err
		case there == nil: // the cluster does not have it
		case r.api == nil:
			r.api, r.there = api, there
		default:
			for namespace := range there {
				if err := r.remove(ctx, api, namespace); err != nil {
					return nil, err
				}
			}
		}
	}
	return r, nil
}

// list returns the namespaces that have a report; nil if the cluster does not have the API, or the
// server may not use it.
func (r *reports) list(ctx context.Context, api *reportAPI) (there map[string]bool, err error) {
	token := ""
	there = map[string]bool{}
	for {
		request := r.client.Get().AbsPath(api.path("")).
			SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").
			Param("fieldSelector", "metadata.name="+ReportName).Param("limit", strconv.Itoa(pageSize))
		if token != "" {
			request = request.Param("continue", token)
		}
		body, err := request.DoRaw(ctx)
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list %s.%s: %w", api.resource, api.group, err)
		}
		var page metav1.PartialObjectMetadataList
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, fmt.Errorf("list %s.%s: %w", api.resource, api.group, err)
		}
		for i := range page.Items {
			if page.Items[i].DeletionTimestamp == nil {
				there[page.Items[i].Namespace] = true
			}
		}
		if token = page.Continue; token == "" {
			return there, nil
		}
	}
}

// write writes the report of a namespace if it is not there or says something else, and deletes it
// if there is nothing to report.
func (r *reports) write(ctx context.Context, n *namespaceTally) error {
	if r.api == nil {
		return nil
	}
	content, ok := newReport(r.api, n, r.owner)
	if !ok {
		return r.delete(ctx, n.name)
	}
	body, err := json.Marshal(content)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if r.there[n.name] && r.written[n.name] == sum {
		return nil
	}
	err = r.client.Patch(types.ApplyPatchType).AbsPath(r.api.path(n.name), ReportName).
		Param("fieldManager", fieldManager).Param("force", "true").Body(body).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("write the report of namespace %q: %w", n.name, err)
	}
	r.written[n.name], r.there[n.name] = sum, true
	return nil
}

// delete deletes the report of a namespace, if there is one.
func (r *reports) delete(ctx context.Context, namespace string) error {
	if !r.there[namespace] {
		return nil
	}
	if err := r.remove(ctx, r.api, namespace); err != nil {
		return err
	}
	delete(r.there, namespace)
	delete(r.written, namespace)
	return nil
}

func (r *reports) remove(ctx context.Context, api *reportAPI, namespace string) error {
	err := r.client.Delete().AbsPath(api.path(namespace), ReportName).Do(ctx).Error()
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete the report of namespace %q: %w", namespace, err)
	}
	return nil
}

// deleteOthers deletes the reports of namespaces that the scan did not look at: they are out of
// it, or there no more.
func (r *reports) deleteOthers(ctx context.Context, scanned map[string]bool) error {
	if r.api == nil {
		return nil
	}
	for namespace := range r.there {
		if scanned[namespace] {
			continue
		}
		if err := r.delete(ctx, namespace); err != nil {
			return err
		}
	}
	return nil
}
