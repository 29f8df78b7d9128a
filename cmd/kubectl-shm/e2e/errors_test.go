package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// What can be wrong with a cluster, or with the rights in it, ends in what to do about it.
func TestErrors_SayWhatToDo(t *testing.T) {
	c := start(t, envtest.Options{WithoutControllerManager: true})
	t.Run("no CRD", func(t *testing.T) {
		got := c.shm("audit", "-A")
		want := "error: the cluster has no SharedMemoryPolicies, as shmkeeper is not installed in it: install it, or name the policies to use with -p, such as -p authentik-proxy-outposts\n"
		if got.Code != cli.ExitUsage || got.Out != "" || got.ErrOut != want {
			t.Errorf("exit status %d, (-want +got):\n%s", got.Code, cmp.Diff(want, got.ErrOut))
		}
		if got := c.shm("audit", "-A", "-p", "selenium"); got.Code != cli.ExitOK || got.Out != "0 Pods of all namespaces under the policies of -p selenium: no policy matches any\n" {
			t.Errorf("with -p: %+v", got)
		}
	})
	c.installCRD(t)
	c.create(t, newNamespace("shop", "enforce"))
	t.Run("no policy", func(t *testing.T) {
		got := c.shm("audit", "-n", "shop")
		if got.Code != cli.ExitOK || !strings.HasPrefix(got.Out, "note: the cluster has no policy, so nothing matches: ") {
			t.Errorf("%+v", got)
		}
	})
	c.create(t, unstored(policytest.AppPolicy("web", "web")))
	expired := filepath.Join(t.TempDir(), "expired")
	config := &rest.Config{Host: c.Config.Host, BearerToken: "expired", TLSClientConfig: rest.TLSClientConfig{CAData: c.Config.CAData, CAFile: c.Config.CAFile}}
	if err := envtest.WriteKubeconfig(expired, config); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]struct {
		args []string
		want string
	}{
		"a namespace that is not there": {
			[]string{"audit", "-n", "shoop"}, `-n: there is no namespace "shoop": kubectl get namespaces lists what there is`,
		},
		"no rights at all": {
			[]string{"audit", "-A", "--as", "jane"},
			`read SharedMemoryPolicies in all namespaces: sharedmemorypolicies.shmkeeper.dev is forbidden: User "jane" cannot list resource "sharedmemorypolicies" in API group "shmkeeper.dev" at the cluster scope: ask for this right, choose other credentials with --context or --as, or look at a namespace of yours with -n`,
		},
		"no credentials": {
			[]string{"audit", "-A", "--kubeconfig", expired}, " in all namespaces: the cluster does not accept the credentials (401 Unauthorized): log in again, or choose others with --context or --user",
		},
		"nobody listens": {
			[]string{"audit", "-A", "--server", "https://127.0.0.1:1"}, "the cluster at https://127.0.0.1:1 does not answer: ",
		},
		"an answer that takes too long": {
			[]string{"audit", "-A", "--request-timeout", "1us"}, "give it more time with --request-timeout, or look at fewer namespaces",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := clitest.Run("", append([]string{r.args[0], "--kubeconfig", c.Kubeconfig}, r.args[1:]...), verbs...)
			if got.Code != cli.ExitUsage || got.Out != "" || !strings.Contains(got.ErrOut, r.want) {
				t.Errorf("exit status %d, %q, want %q in it", got.Code, got.ErrOut, r.want)
			}
		})
	}
}

// A user whose rights end at the namespace is told what is missing, and sees the rest.
func TestErrors_FewRights(t *testing.T) {
	c := start(t, envtest.Options{WithoutControllerManager: true})
	c.installCRD(t)
	c.create(t, newNamespace("shop", "enforce"), unstored(policytest.AppPolicy("web", "web")))
	pod := policytest.NewPod("web", policytest.Namespace("shop"), policytest.Labels(map[string]string{"app": "web"}), policytest.WithContainer("web", "nginx"))
	c.create(t, pod)
	c.kubectl(t, "create", "role", "pods", "-n", "shop", "--verb=list", "--resource=pods")
	c.kubectl(t, "create", "rolebinding", "pods", "-n", "shop", "--role=pods", "--user=jane")
	got := c.shm("audit", "-n", "shop", "--as", "jane", "-p", "selenium", "-p", "hygiene")
	if got.Code != cli.ExitOK || got.ErrOut != "" {
		t.Fatalf("%+v", got)
	}
	for _, resource := range []string{"namespaces", "limitranges", "resourcequotas", "replicasets.apps", "jobs.batch", "deployments.apps", "statefulsets.apps", "daemonsets.apps", "cronjobs.batch"} {
		mustContain(t, got.Out, resource+" ")
	}
	mustContain(t, got.Out, `cannot get resource "namespaces" in API group "" in the namespace "shop"`, "their labels, and so their modes, are not known", "1 Pod of namespace \"shop\"")
}
