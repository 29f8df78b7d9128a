package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/util/retry"

	"github.com/shmkeeper/shmkeeper/envtest/install"
)

func TestDryRun_AnsweredLikeARealRequest(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	for _, mode := range modes {
		ns := s.namespace(t, mode, nil)
		for _, pod := range []*corev1.Pod{webPod("plain"), webPod("disk", onDisk)} {
			t.Run(mode+" "+pod.Name, func(t *testing.T) {
				pods := a.kube.CoreV1().Pods(ns)
				var dry response
				eventually(t, func() error {
					dry = a.create(t, ns, pod, metav1.DryRunAll)
					if (mode == "enforce") != (dry.Notes["enforce.pods/mode"] == "enforce") || dry.Notes == nil || mode == "warn" && len(dry.Warnings) == 0 {
						return fmt.Errorf("the namespace is not known yet: %+v", dry)
					}
					return nil
				})
				if _, err := pods.Get(t.Context(), pod.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
					t.Fatalf("after the dry run the Pod is there: %v", err)
				}
				real := a.create(t, ns, pod)
				if err := real.differs(dry); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(dry.pod.Spec, real.pod.Spec); diff != "" {
					t.Errorf("the Pod (-dry run +request):\n%s", diff)
				}
				if diff := cmp.Diff(dry.pod.Annotations, real.pod.Annotations); diff != "" {
					t.Errorf("annotations of the Pod (-dry run +request):\n%s", diff)
				}
			})
		}
	}
}

func TestOutage_RejectsInEnforcingNamespacesOnly(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	enforce, warn, audit, unlabelled := s.namespace(t, "enforce", nil), s.namespace(t, "warn", nil), s.namespace(t, "audit", nil), s.namespace(t, "", nil)
	a.must(t, enforce, webPod("before"), response{Notes: mutated("web")})
	s.serve(t)

	got := a.create(t, enforce, webPod("web"))
	if got.Code != 500 || !strings.HasPrefix(got.Error, `Internal error occurred: failed calling webhook "enforce.pods.shmkeeper.dev": `) {
		t.Errorf("a Pod that the policy matches in mode enforce: %d %s", got.Code, got.Error)
	}
	for name, c := range map[string]struct {
		namespace string
		pod       *corev1.Pod
	}{
		"mode warn":          {warn, webPod("web")},
		"mode warn, a disk":  {warn, webPod("disk", onDisk)},
		"mode audit":         {audit, webPod("web")},
		"mode audit, a disk": {audit, webPod("disk", onDisk)},
		"no label":           {unlabelled, webPod("web")},
		"no policy matches":  {enforce, webPod("other", func(p *corev1.Pod) { p.Labels["app"] = "other" })},
	} {
		start := time.Now()
		got := a.create(t, c.namespace, c.pod)
		if err := got.differs(response{}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := untouched(c.pod, got.pod); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > within {
			t.Errorf("%s: it took %s", name, took)
		}
	}
	// What is there can go.
	s.deletePod(t, enforce, "before")
	if _, err := s.kube.CoreV1().Pods(enforce).Get(t.Context(), "before", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Pod was not deleted: %v", err)
	}
}

func TestEnforce_PodThatWasNotMutated(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	notes := judged("enforce.pods", "web", "enforce", "Violating", "NoMount")
	refused := `violates SharedMemoryPolicy "web": ` + noMountWords

	t.Run("because the policy changes none", func(t *testing.T) {
		p := webPolicy()
		p.Spec.Mutation = "Disabled"
		s.policies(t, p)
		ns := s.namespace(t, "enforce", nil)
		a.must(t, ns, webPod("web"), response{Code: 403, Error: deniedBy("enforce.pods.shmkeeper.dev", refused), Notes: notes})
	})
	t.Run("because the mutating webhook was not called", func(t *testing.T) {
		s.policies(t, webPolicy())
		ns := s.namespace(t, "enforce", nil)
		s.withoutMutation(t)
		notes["enforce.pods/outcome"], notes["enforce.pods/reason"] = "Mutated", "AddVolume"
		a.must(t, ns, webPod("web"), response{Code: 403, Notes: notes, Error: deniedBy("enforce.pods.shmkeeper.dev",
			refused+notMutated)})
		audit := s.namespace(t, "audit", nil)
		a.must(t, audit, webPod("web"), response{Notes: judged("report.pods", "web", "audit", "Mutated", "AddVolume")})
	})
}

// withoutMutation keeps Pods from the mutating webhook until the end of the test, by a
// match condition of somebody else, which shmkeeper lets stand.
func (s *suite) withoutMutation(t *testing.T) {
	t.Helper()
	const name = "nobody"
	edit := func(ctx context.Context, change func([]admissionregistrationv1.MatchCondition) []admissionregistrationv1.MatchCondition) {
		configurations := s.kube.AdmissionregistrationV1().MutatingWebhookConfigurations()
		if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			c, err := configurations.Get(ctx, "shmkeeper", metav1.GetOptions{})
			if err != nil {
				return err
			}
			c.Webhooks[0].MatchConditions = change(c.Webhooks[0].MatchConditions)
			_, err = configurations.Update(ctx, c, metav1.UpdateOptions{})
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	edit(t.Context(), func(have []admissionregistrationv1.MatchCondition) []admissionregistrationv1.MatchCondition {
		return append(have, admissionregistrationv1.MatchCondition{Name: name, Expression: "false"})
	})
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		edit(ctx, func(have []admissionregistrationv1.MatchCondition) (out []admissionregistrationv1.MatchCondition) {
			for _, c := range have {
				if c.Name != name {
					out = append(out, c)
				}
			}
			return out
		})
	})
}

func TestRestore_DeletedConfiguration(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	a.must(t, ns, webPod("before"), response{Notes: mutated("web")})
	configurations := s.kube.AdmissionregistrationV1().MutatingWebhookConfigurations()
	before, err := configurations.Get(t.Context(), "shmkeeper", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := configurations.Delete(t.Context(), "shmkeeper", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}

	eventually(t, func() error {
		after, err := configurations.Get(t.Context(), "shmkeeper", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if after.UID == before.UID {
			return fmt.Errorf("it is the old one")
		}
		// A previous CA may have left the bundle meanwhile, so that is compared with the one in force.
		if diff := cmp.Diff(before.Webhooks, after.Webhooks, cmpopts.IgnoreFields(admissionregistrationv1.WebhookClientConfig{}, "CABundle")); diff != "" {
			return fmt.Errorf("webhooks (-before +after):\n%s", diff)
		}
		published, err := s.kube.CoreV1().ConfigMaps(install.Namespace).Get(t.Context(), "shmkeeper-ca", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for i := range after.Webhooks {
			if got, want := string(after.Webhooks[i].ClientConfig.CABundle), published.Data["ca.crt"]; got != want || want == "" {
				return fmt.Errorf("webhook %s has the caBundle\n%s; want\n%s", after.Webhooks[i].Name, got, want)
			}
		}
		return nil
	})
	eventually(t, func() error {
		events, err := s.kube.EventsV1().Events(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		var got []string
		for i := range events.Items {
			if e := &events.Items[i]; e.Regarding.Kind == "MutatingWebhookConfiguration" {
				got = append(got, fmt.Sprintf("%s %s %s: %s", e.Type, e.Reason, e.Regarding.Name, e.Note))
			}
		}
		const want = "Warning Restored shmkeeper: shmkeeper restored its MutatingWebhookConfiguration: it was deleted"
		for _, e := range got {
			if strings.HasPrefix(e, want) {
				return nil
			}
		}
		return fmt.Errorf("there is no event %q, but %q", want, got)
	})
	a.must(t, ns, webPod("after"), response{Notes: mutated("web")})
}

func TestCreate_NameAndNamespaceOfTheRequest(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, newPolicy("web", `{match: [{podSelector: {matchLabels: {app: web}}, namespaceSelector: {matchLabels: {team: a}}}], sizing: {fixed: {size: 256Mi}}}`))
	ours, others := s.namespace(t, "enforce", map[string]string{"team": "a"}), s.namespace(t, "enforce", map[string]string{"team": "b"})
	unnamed := webPod("", func(p *corev1.Pod) { p.GenerateName = "web-" })

	got := a.must(t, ours, unnamed, response{Notes: mutated("web")})
	if err := sized(got, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
		t.Error(err)
	}
	if got.Namespace != ours || !strings.HasPrefix(got.Name, "web-") || got.Name == "web-" {
		t.Errorf("the Pod is %q in namespace %q", got.Name, got.Namespace)
	}
	got = a.must(t, others, unnamed, response{})
	if err := untouched(unnamed, got); err != nil {
		t.Error(err)
	}
}

func TestAdmission_AsksNobody(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	a.must(t, ns, webPod("web"), response{Notes: mutated("web")})
	// What the server does in the background, after an earlier test say, falls into some rounds.
	// What it asked for each Pod would be in all of them.
	round := 0
	eventually(t, func() error {
		round++
		if asked := s.askedWhilePodsAreAdmitted(t, a, ns, fmt.Sprintf("web-%d", round)); len(asked) > 0 {
			return fmt.Errorf("in each of %d rounds the server asked for something while Pods were admitted, in the last for:\n%s",
				round, strings.Join(asked, "\n"))
		}
		return nil
	})
}

// askedWhilePodsAreAdmitted has Pods admitted and refused, and returns what the server asked the API server for in the meantime.
func (s *suite) askedWhilePodsAreAdmitted(t *testing.T, a *apiClient, ns, prefix string) (asked []string) {
	t.Helper()
	calls := s.webhookCalls(t)
	before, err := s.cp.AuditEvents()
	if err != nil {
		t.Fatal(err)
	}

	const pods = 50
	for i := range pods {
		name := fmt.Sprintf("%s-%d", prefix, i)
		want, pod := response{Notes: mutated("web")}, webPod(name)
		if i%5 == 0 { // a refusal asks no more than an admission
			pod = webPod(name, onDisk)
			want = response{Code: 403, Error: refusedForDisk("web"), Notes: judged("enforce.pods", "web", "enforce", "Violating", "NotMemory")}
		}
		if err := a.create(t, ns, pod).differs(want); err != nil {
			t.Fatal(err)
		}
	}

	after, err := s.cp.AuditEvents()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for i := range after[len(before):] {
		e := &after[len(before)+i]
		if e.ObjectRef != nil && e.ObjectRef.Resource == "pods" && e.ObjectRef.Namespace == ns && e.Verb == "create" {
			seen++
		}
		if e.User.Username == "system:serviceaccount:shmkeeper-system:shmkeeper" && !byTheClock(e) {
			asked = append(asked, e.RequestURI)
		}
	}
	if seen != pods {
		t.Fatalf("the audit log has %d creations of %d", seen, pods)
	}
	if got := s.webhookCalls(t)["enforce.pods.shmkeeper.dev"] - calls["enforce.pods.shmkeeper.dev"]; got != pods {
		t.Fatalf("the server was asked about %d of %d Pods", got, pods)
	}
	return asked
}

// byTheClock reports whether a request is one that the server sends at intervals,
// whatever it is asked: it watches, keeps its lease, and reads the Secret of its CA.
func byTheClock(e *auditv1.Event) bool {
	ref := e.ObjectRef
	return e.Verb == "watch" || ref != nil && (ref.Resource == "leases" || e.Verb == "get" && ref.Resource == "secrets" && ref.Name == "shmkeeper-ca")
}
