package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// apiServer evaluates by creating the Pod of a case.
type apiServer struct {
	*suite
	kube     kubernetes.Interface
	client   client.Client
	warnings *warnings
}

func TestAPIServer_EvaluatesLikeTheEngine(t *testing.T) {
	config := rest.CopyConfig(shared.cp.Config)
	w := &warnings{}
	config.WarningHandler = w
	kube, c, err := clients(config)
	if err != nil {
		t.Fatal(err)
	}
	e := apiServer{shared, kube, c, w}
	ran := 0
	for _, c := range policytest.Cases(t) {
		if c.OfflineOnly != "" {
			continue // the engine and the command line run it
		}
		ran++
		t.Run(c.Name, func(t *testing.T) {
			if !shared.knowsPodLevelResources(t, metav1.NamespaceDefault, c.Pod(t)) {
				return
			}
			if diff := c.Diff(t, e.Evaluate(t, c)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if ran < 200 {
		t.Errorf("only %d cases ran", ran)
	}
}

// Evaluate makes a Pod of the case's object, or of its template, has the API server admit it by a
// dry run until what comes of it is what is wanted (a policy takes a moment to arrive
// everywhere), and then creates it.
func (a apiServer) Evaluate(t *testing.T, c policytest.Case) policytest.Result {
	a.policies(t, c.AllPolicies(t)...)
	ns := a.namespace(t, "enforce", c.NamespaceLabels)
	for i := range c.LimitRanges {
		l := c.LimitRanges[i].DeepCopy()
		l.Namespace = ns
		if err := a.client.Create(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	for i := range c.ResourceQuotas {
		q := c.ResourceQuotas[i].DeepCopy()
		q.Namespace = ns
		if err := a.client.Create(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	pod := c.Pod(t)
	pod.Name, pod.GenerateName, pod.Namespace = "subject", "", ns
	var got policytest.Result
	if err := poll(t.Context(), within, func() error {
		got = a.create(t, c, pod, metav1.DryRunAll)
		if diff := c.Diff(t, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	}); err != nil {
		return got
	}
	return a.create(t, c, pod, "")
}

// create creates the Pod and returns what came of it.
func (a apiServer) create(t *testing.T, c policytest.Case, pod *corev1.Pod, dryRun string) policytest.Result {
	t.Helper()
	if _, err := a.audit.lines(); err != nil { // up to here it is about others
		t.Fatal(err)
	}
	options := metav1.CreateOptions{}
	if dryRun != "" {
		options.DryRun = []string{dryRun}
	}
	a.warnings.take()
	created, err := a.kube.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, options)
	got := policytest.Result{}
	for _, warning := range a.warnings.take() {
		// What enforcing would do is what the engine says in its outcome.
		if strings.HasPrefix(warning, "would violate SharedMemoryPolicy ") || strings.HasPrefix(warning, "would be changed by ") {
			got.Messages = append(got.Messages, warning)
		} else {
			got.Warnings = append(got.Warnings, warning)
		}
	}
	told := a.auditEvent(t, pod.Namespace)
	if told != nil {
		got.Messages = append(got.Messages, told["detail"])
	}
	status := apierrors.APIStatus(nil)
	switch {
	case err == nil:
		got.Outcome, got.Reason, got.Policy = policy.Outcome(told["outcome"]), policy.Reason(told["reason"]), told["policy"]
		got.Spec = &created.Spec
		if told == nil {
			// Why no policy matches a Pod is told to nobody.
			got.Outcome, got.Reason = policy.NotMatched, c.Want.Reason
		}
		if told["mode"] != "enforce" && told != nil {
			// Nothing was changed or denied, and the reasons are in no one's list.
			got.Violations, got.Spec = c.Want.Violations, nil
		}
	case errors.As(err, &status) && strings.Contains(err.Error(), "shmkeeper.dev"):
		got.Outcome, got.Policy, got.Spec = policy.Violating, told["policy"], &pod.Spec
		got.Messages = append(got.Messages, err.Error())
		if details := status.Status().Details; details != nil {
			for _, cause := range details.Causes {
				got.Violations = append(got.Violations, policy.Reason(cause.Type))
				got.Messages = append(got.Messages, cause.Message)
			}
		}
		got.Reason = policy.Reason(told["reason"])
	default:
		got.Outcome = policy.Outcome(fmt.Sprintf("refused by somebody else: %v", err))
	}
	return got
}

// auditEvent returns what the audit log has of the Pod that was created last in a namespace,
// by the mutating webhook if that changed it, or else by the validating one; nil
// where neither said anything.
func (a apiServer) auditEvent(t *testing.T, namespace string) map[string]string {
	t.Helper()
	var told map[string]string
	eventually(t, func() error {
		lines, err := a.audit.lines()
		if err != nil {
			return err
		}
		for _, line := range lines {
			var event struct {
				Stage       string
				Verb        string
				Annotations map[string]string
				ObjectRef   struct{ Resource, Namespace string }
			}
			if json.Unmarshal(line, &event) != nil || event.Stage != "ResponseComplete" || event.Verb != "create" ||
				event.ObjectRef.Resource != "pods" || event.ObjectRef.Namespace != namespace {
				continue
			}
			for _, webhook := range []string{"mutate", "enforce"} {
				of := map[string]string{}
				for k, v := range event.Annotations {
					if key, ok := strings.CutPrefix(k, webhook+".pods.shmkeeper.dev/"); ok {
						of[key] = v
					}
				}
				if len(of) > 0 {
					told = of
					return nil
				}
			}
			return nil
		}
		return errors.New("the audit log does not have the request yet")
	})
	return told
}
