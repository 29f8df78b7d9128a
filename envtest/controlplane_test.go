package envtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const wantVersion = "v1.37.1"

func clientFor(t *testing.T, cfg *rest.Config) *kubernetes.Clientset {
	t.Helper()
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// namespace creates one for the test. What is in it goes with the control plane.
func namespace(t *testing.T, client kubernetes.Interface) string {
	t.Helper()
	ns, err := client.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

func TestStart_PinnedVersion(t *testing.T) {
	if os.Getenv(assetsVariable) != "" {
		t.Skip(assetsVariable + " says which version runs")
	}
	version, err := clientFor(t, plane.Config).Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if version.GitVersion != wantVersion || version.Major != "1" || version.Minor != "37" {
		t.Errorf("the API server says that it is %s, %s.%s; want %s", version.GitVersion, version.Major, version.Minor, wantVersion)
	}
}

func TestKubectl_ReachesTheControlPlane(t *testing.T) {
	out, err := plane.Kubectl(t.Context(), "version", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ClientVersion, ServerVersion struct{ GitVersion string }
		KustomizeVersion             string
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if os.Getenv(assetsVariable) == "" && (got.ClientVersion.GitVersion != wantVersion || got.ServerVersion.GitVersion != wantVersion) {
		t.Errorf("kubectl is %s, the server %s; want %s", got.ClientVersion.GitVersion, got.ServerVersion.GitVersion, wantVersion)
	}

	_, err = plane.Kubectl(t.Context(), "get", "namespace", "nowhere")
	if want := `namespaces "nowhere" not found`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("kubectl get of what there is not: %v; want %q in it", err, want)
	}

	cmd := plane.KubectlCommand(t.Context(), "-n", namespace(t, clientFor(t, plane.Config)), "apply", "-f", "-")
	cmd.Stdin = strings.NewReader("{apiVersion: v1, kind: ConfigMap, metadata: {name: from-stdin}}")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "configmap/from-stdin created\n" {
		t.Errorf("kubectl apply -f -: %v: %s", err, out)
	}
}

func TestWriteKubeconfig_OwnerOnly(t *testing.T) {
	info, err := os.Stat(plane.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig has mode %v, want 0600", info.Mode().Perm())
	}
}

func TestStart_DeploymentBecomesAPendingPod(t *testing.T) {
	client := clientFor(t, plane.Config)
	ns := namespace(t, client)
	labels := map[string]string{"app": "sleeper"}
	_, err := client.AppsV1().Deployments(ns).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "sleeper"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "sleeper", Image: "example.test/sleeper"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a Pod of the Deployment", func() error {
		pods, err := client.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{LabelSelector: "app=sleeper"})
		if err != nil {
			return err
		}
		if len(pods.Items) != 1 {
			return fmt.Errorf("there are %d", len(pods.Items))
		}
		pod := pods.Items[0]
		if owner := metav1.GetControllerOf(&pod); owner == nil || owner.Kind != "ReplicaSet" {
			return fmt.Errorf("its owner is %v, want a ReplicaSet", owner)
		}
		if pod.Status.Phase != corev1.PodPending {
			return fmt.Errorf("its phase is %s, want Pending", pod.Status.Phase)
		}
		return nil
	})
}

func TestStart_NamespaceIsEmptiedAndDeleted(t *testing.T) {
	client := clientFor(t, plane.Config)
	ns := namespace(t, client)
	if _, err := plane.Kubectl(t.Context(), "delete", "namespace", ns, "--timeout=60s"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Namespaces().Get(t.Context(), ns, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the deleted namespace: %v, want that it is not found", err)
	}
}

func TestUser_MayDoWhatRBACGrants(t *testing.T) {
	admin := clientFor(t, plane.Config)
	ns := namespace(t, admin)
	if _, err := plane.Kubectl(t.Context(), "-n", ns, "create", "rolebinding", "readers", "--clusterrole=view", "--group=readers",
		"--serviceaccount="+ns+":robot"); err != nil {
		t.Fatal(err)
	}
	alice, err := plane.User("alice", "readers")
	if err != nil {
		t.Fatal(err)
	}
	bob, err := plane.User("bob")
	if err != nil {
		t.Fatal(err)
	}
	robot, err := plane.ServiceAccount(ns, "robot")
	if err != nil {
		t.Fatal(err)
	}
	list := func(cfg *rest.Config) error {
		_, err := clientFor(t, cfg).CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{})
		return err
	}
	eventually(t, "alice, of the group that may", func() error { return list(alice) })
	eventually(t, "the service account that may", func() error { return list(robot) })
	if err := list(bob); !apierrors.IsForbidden(err) {
		t.Errorf("bob, who may not: %v, want that it is forbidden", err)
	}
	if _, err := plane.ServiceAccount(ns, "not:a:name"); err == nil {
		t.Error("a service account whose name is not one was accepted")
	}
}

func TestAuditEvents_NameTheUser(t *testing.T) {
	carol, err := plane.User("carol")
	if err != nil {
		t.Fatal(err)
	}
	_, err = clientFor(t, carol).CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Fatalf("carol's request: %v, want that it is forbidden", err)
	}
	eventually(t, "carol's request in the audit log", func() error {
		events, err := plane.AuditEvents()
		if err != nil {
			return err
		}
		for _, event := range events {
			if event.User.Username == "carol" && event.Verb == "list" && event.ObjectRef.Resource == "secrets" && event.ResponseStatus.Code == 403 {
				return nil
			}
		}
		return errors.New("it is not there")
	})
}

func TestStart_OptionsReachThePrograms(t *testing.T) {
	cp, err := Start(t.Context(), Options{
		APIServerArgs:            []string{"--service-account-issuer=https://issuer.test", "--service-account-jwks-uri=https://issuer.test/keys"},
		FeatureGates:             map[string]bool{"InPlacePodVerticalScalingMemoryBackedVolumes": true},
		AuditPolicy:              AuditNone,
		WithoutControllerManager: true,
		LogDir:                   t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cp.Stop(); err != nil {
			t.Error(err)
		}
	})
	client := clientFor(t, cp.Config)
	discovery, err := client.RESTClient().Get().AbsPath("/.well-known/openid-configuration").DoRaw(t.Context())
	if err != nil || !strings.Contains(string(discovery), `"issuer":"https://issuer.test"`) {
		t.Errorf("the issuer that was asked for: %v: %s", err, discovery)
	}
	metrics, err := client.RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if want := `kubernetes_feature_enabled{name="InPlacePodVerticalScalingMemoryBackedVolumes",stage="ALPHA"} 1`; err != nil || !strings.Contains(string(metrics), want) {
		t.Errorf("the feature gate that was asked for: %v: there is no %s", err, want)
	}
	// No controller manager, so no service account: a Pod is admitted all the same.
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "sleeper"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "sleeper", Image: "example.test/sleeper"}}},
	}
	if _, err := client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Errorf("a Pod: %v", err)
	}
	if events, err := cp.AuditEvents(); err != nil || len(events) != 0 {
		t.Errorf("without auditing there are %d events, %v", len(events), err)
	}
}

func TestStart_SaysWhyAProgramEnded(t *testing.T) {
	_, err := Start(t.Context(), Options{APIServerArgs: []string{"--no-such-flag=1"}})
	if err == nil {
		t.Fatal("kube-apiserver started with a flag that it does not know")
	}
	for _, want := range []string{"kube-apiserver ended before it was ready: exit status 1", "unknown flag: --no-such-flag"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v; want %q in it", err, want)
		}
	}
}
