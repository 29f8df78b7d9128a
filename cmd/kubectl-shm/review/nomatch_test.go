package review

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
)

func TestReview_NearestMiss(t *testing.T) {
	policyOf := func(match string) string {
		return "---\napiVersion: shmkeeper.dev/v1alpha1\nkind: SharedMemoryPolicy\nmetadata: {name: p}\nspec:\n  match: [{" + match + "}]\n  sizing: {fixed: {size: 1Gi}}\n"
	}
	pod := func(labels, image string) string {
		return "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {" + labels + "}}, spec: {containers: [{name: c, image: '" + image + "'}]}}\n"
	}
	tests := map[string]struct {
		in, more, want string
	}{
		"nothing is near": {in: pod("", "nginx") + policyOf("images: [ghcr.io/a/b]")},
		"another registry": {
			in:   pod("", "harbor.local/ghcr/a/b:1") + policyOf("images: [ghcr.io/a/b]"),
			want: `image "harbor.local/ghcr/a/b" of container "c" is not in the registry of "ghcr.io/a/b", which policy "p" matches: if it is a copy, give --image-mirrors harbor.local/ghcr=ghcr.io, or add the image to match in a copy of the policy`,
		},
		"a copy of Docker Hub's, with digest": {
			in:   pod("", "registry:5000/hub/postgres@sha256:1") + policyOf("images: [postgres]"),
			want: `image "registry:5000/hub/postgres" of container "c" is not in the registry of "postgres", which policy "p" matches: if it is a copy, give --image-mirrors registry:5000/hub=docker.io, or add the image to match in a copy of the policy`,
		},
		"a user's image of the same short name on Docker Hub is not near": {in: pod("", "me/postgres") + policyOf("images: [postgres]")},
		"nearly the same name": {
			in:   pod("", "ghcr.io/a/b-dev:1") + policyOf("images: [ghcr.io/a/b]"),
			want: `image "ghcr.io/a/b-dev" of container "c" is nearly "ghcr.io/a/b", which policy "p" matches: add the image to match in a copy of the policy if it is the same program`,
		},
		"another value of the label": {
			in:   pod("type: ldap", "nginx") + policyOf("podSelector: {matchLabels: {type: proxy}}"),
			want: `policy "p" matches but for label type, which is "ldap" and not "proxy": correct the label, or add the value to the policy's podSelector`,
		},
		"another value of a label that may have several": {
			in:   pod("type: ldap", "nginx") + policyOf("podSelector: {matchExpressions: [{key: type, operator: In, values: [proxy, rac]}]}"),
			want: `policy "p" matches but for label type, which is "ldap" and not "proxy" or "rac": correct the label, or add the value to the policy's podSelector`,
		},
		"two labels with other values are not near": {in: pod("type: ldap, tier: a", "nginx") + policyOf("podSelector: {matchLabels: {type: proxy, tier: b}}")},
		"the image without the label": {
			in:   pod("", "ghcr.io/a/b") + policyOf("images: [ghcr.io/a/b], podSelector: {matchLabels: {type: proxy}}"),
			want: `policy "p" matches the image but not the labels, which must be type=proxy: add them if it is the same program`,
		},
		"the namespace": {
			in:   pod("", "ghcr.io/a/b") + policyOf("images: [ghcr.io/a/b], namespaceSelector: {matchLabels: {team: x}}"),
			want: `policy "p" matches but for the namespace, which must have the labels team=x: give them by --namespace-labels, or add the Namespace to the input`,
		},
		"an exclude": {
			in:   pod("type: proxy", "ghcr.io/a/b") + strings.Replace(policyOf("images: [ghcr.io/a/b]"), "  sizing", "  exclude: [{podSelector: {matchLabels: {type: proxy}}}]\n  sizing", 1),
			want: `policy "p" matches but for its exclude: change exclude if that is not meant`,
		},
		"the nearest of several": {
			in:   pod("type: ldap", "harbor.local/ghcr/a/b") + policyOf("podSelector: {matchLabels: {type: proxy}}}, {images: [ghcr.io/a/b]"),
			want: `image "harbor.local/ghcr/a/b" of container "c" is not in the registry of "ghcr.io/a/b", which policy "p" matches: if it is a copy, give --image-mirrors harbor.local/ghcr=ghcr.io, or add the image to match in a copy of the policy`,
		},
		"the image of an init container": {
			in:   "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {initContainers: [{name: i, image: ghcr.io/a/b}], containers: [{name: c, image: nginx}]}}\n" + policyOf("images: [ghcr.io/a/b]"),
			want: `policy "p" matches the image of init container "i", which only prepares the Pod and so matches nothing: match the Pod by its labels`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := "NotMatched  Pod/default/a  -  -\n  no policy matches\n"
			if test.want != "" {
				want += "  note: " + test.want + "\n"
			}
			want += "\n1 reviewed under the policies of the input: 1 NotMatched\n"
			got := shm(test.in, "review", "--all", "-f", "-")
			if diff := cmp.Diff(clitest.Result{Out: want}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// The library matches by labels of its products, and by some that Pods of all kinds have.
func TestReview_NearestMissOfTheLibrary(t *testing.T) {
	pod := func(label string) string {
		return "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {" + label + "}}, spec: {containers: [{name: c, image: x/y}]}}"
	}
	got := shm(pod("goauthentik.io/outpost-type: ldap"), "review", "-f", "-")
	if !strings.Contains(got.Out, `note: policy "authentik-proxy-outposts" matches but for label goauthentik.io/outpost-type, which is "ldap" and not "proxy"`) {
		t.Errorf("another outpost: %s", got.Out)
	}
	for _, label := range []string{"application: web", "app.kubernetes.io/name: web, app.kubernetes.io/component: server"} {
		if got := shm(pod(label), "review", "-f", "-"); strings.Contains(got.Out, "note") {
			t.Errorf("%s: %s", label, got.Out)
		}
	}
}

// A policy that only checks does not hide that one that sizes nearly matches.
func TestReview_NearestMissBesideAPolicyThatOnlyChecks(t *testing.T) {
	pod := strings.Replace(mountedOnDisk, "selenium/", "harbor.local/hub/selenium/", 1)
	got := shm(pod, "review", "-f", "-")
	clitest.InOrder(t, got.Out, []string{"Violating (warn)  Pod/shop/browser  hygiene  -\n", `note: image "harbor.local/hub/selenium/node-chrome" of container "chrome" is not in the registry of "selenium/node-chrom*"`})
	if got := shm(strings.Replace(pod, "harbor.local/hub/selenium/node-chrome", "x/y", 1), "review", "-f", "-"); strings.Contains(got.Out, "note: ") {
		t.Errorf("nothing is near: %s", got.Out)
	}
}

// What the note on a copy in another registry tells to give makes the policy match.
func TestReview_ImageMirrors(t *testing.T) {
	pod := strings.Replace(clitest.Pod, "selenium/", "harbor.local/hub/selenium/", 1)
	if got := shm(pod, "review", "-f", "-"); !strings.Contains(got.Out, "give --image-mirrors harbor.local/hub=docker.io, or") {
		t.Errorf("without mirrors: %+v", got)
	}
	for _, flags := range [][]string{
		{"--image-mirrors", "harbor.local/hub=docker.io"},
		{"--image-mirrors", "harbor.local/ghcr=ghcr.io,harbor.local/hub=docker.io"},
		{"--image-mirrors", "harbor.local/ghcr=ghcr.io", "--image-mirrors", "harbor.local/hub=docker.io"},
	} {
		got := shm(pod, append([]string{"review", "-f", "-"}, flags...)...)
		if !strings.HasPrefix(got.Out, "Mutated  Pod/default/browser  selenium  2Gi\n") {
			t.Errorf("%v: %+v", flags, got)
		}
	}
	got := shm(pod, "review", "-f", "-", "--image-mirrors", "hub")
	want := `error: --image-mirrors: image mirror "hub": must be MIRROR=REPOSITORY, both beginning with a registry's host: write for example harbor.local/ghcr=ghcr.io` + "\n"
	if diff := cmp.Diff(clitest.Result{Code: cli.ExitUsage, ErrOut: want}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReview_WhosePolicies(t *testing.T) {
	clitest.InDir(t, "pod.yaml", podWithVolume("1Gi", ""), "p.yaml", clitest.Policy, "bad.yaml", strings.Replace(clitest.Policy, "images: [a]", "images: []", 1))
	tests := map[string]struct {
		args string
		code int
		says []string // in this order
	}{
		"the library's": {
			args: "-f pod.yaml",
			says: []string{"Compliant  Pod/default/a  hygiene  -\n", "\n\n1 reviewed under the library's policies: 1 Compliant\n"},
		},
		"those of the input": {
			args: "-f pod.yaml -f p.yaml",
			says: []string{"Compliant  Pod/default/a  p  1Gi\n", "\n\n1 reviewed under the policies of the input: 1 Compliant\n"},
		},
		"those of -p, even if the input has some": {
			args: "--all -f pod.yaml -f p.yaml -p ray",
			says: []string{
				"NotMatched  Pod/default/a  -  -\n  no policy matches\n",
				"  note: no policy comes near: to have /dev/shm sized, match the Pod by its labels or image in a policy of your own\n",
				"note: 1 SharedMemoryPolicy of the input is not used, since -p names others: leave -p out to use it\n",
				"\n1 reviewed under the policies of -p ray: 1 NotMatched; 1 skipped (1 SharedMemoryPolicy)\n",
			},
		},
		"the input's are read as strictly as those of -p": {
			args: "-f pod.yaml -f bad.yaml", code: cli.ExitUsage,
			says: []string{"error: bad.yaml:6: spec.match[0].images: "},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm("", append([]string{"review"}, strings.Fields(test.args)...)...)
			if got.Code != test.code {
				t.Errorf("exit status %d, want %d", got.Code, test.code)
			}
			clitest.InOrder(t, got.Out+got.ErrOut, test.says)
		})
	}
}
