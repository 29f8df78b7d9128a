package export

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestExport(t *testing.T) {
	for name, args := range map[string]string{
		"admission.yaml": "gitlab",
		"authentik.yaml": "authentik-proxy-outposts -o authentik",
		"terraform.tf":   "authentik-proxy-outposts -o terraform --memory-limit 256Mi",
	} {
		t.Run(name, func(t *testing.T) {
			got := shm("", append([]string{"export"}, strings.Fields(args)...)...)
			if got.Code != cli.ExitOK {
				t.Fatalf("got %+v", got)
			}
			clitest.Golden(t, name, []byte(got.Out))
		})
	}
}

// What the output does not say is on standard error, once for all policies.
func TestExport_Notes(t *testing.T) {
	got := shm("", "export", "gitlab", "selenium")
	for _, part := range []string{"LimitRanges and ResourceQuotas", "Only the creation of Pods", "--image-mirrors", "shmkeeper's webhooks"} {
		if n := strings.Count(got.ErrOut, part); n != 1 {
			t.Errorf("%q is there %d times in\n%s", part, n, got.ErrOut)
		}
		if n := strings.Count(got.Out, part); n != 6 {
			t.Errorf("%q is there %d times in the annotations of six policies", part, n)
		}
	}
	if got := shm("", "export", "authentik-proxy-outposts", "-o", "authentik"); got.ErrOut != "" {
		t.Errorf("got %q", got.ErrOut)
	}
}

// What kubectl get prints of the policies in a cluster is exported as their files are.
func TestExport_PoliciesOfACluster(t *testing.T) {
	list := v1alpha1.SharedMemoryPolicyList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}}
	for _, name := range []string{"authentik-proxy-outposts", "gitlab"} {
		p := policytest.Library(t, name)
		v1alpha1.SetDefaults(&p)
		p.UID, p.ResourceVersion, p.Generation, p.CreationTimestamp = "5f3a9c6d", "7", 1, metav1.Now()
		p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationApply}}
		p.Status = v1alpha1.SharedMemoryPolicyStatus{Size: "897Mi", Conditions: []metav1.Condition{{Type: "Accepted", Status: metav1.ConditionTrue}}}
		list.Items = append(list.Items, p)
	}
	text, err := yaml.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	got, want := shm(string(text), "export", "-"), shm("", "export", "authentik-proxy-outposts", "gitlab")
	if diff := cmp.Diff(want, got); diff != "" || want.Code != cli.ExitOK {
		t.Errorf("-files +cluster:\n%s", diff)
	}
}

// The policies of Kyverno say what the admission policies say, and what their bindings say: which
// namespaces, and what happens to a violation.
func TestExport_KyvernoSaysTheSame(t *testing.T) {
	type object struct {
		Kind     string
		Metadata struct{ Name string }
		Spec     struct {
			MatchConditions, Variables, Mutations, Validations, ValidationActions any
			MatchResources, MatchConstraints                                      struct{ NamespaceSelector any }
			PolicyName                                                            string
		}
	}
	read := func(format string) (out []object) {
		for _, text := range strings.Split(shm("", "export", "authentik-proxy-outposts", "-o", format).Out, "---\n") {
			var o object
			if err := yaml.Unmarshal([]byte(text), &o); err != nil {
				t.Fatal(err)
			}
			out = append(out, o)
		}
		return out
	}
	bindings := 0
	kyverno := map[string]object{}
	for _, o := range read("kyverno") {
		kyverno[o.Metadata.Name] = o
	}
	native := read("admission-policy")
	for _, b := range native {
		if !strings.HasSuffix(b.Kind, "Binding") {
			continue
		}
		bindings++
		k := kyverno[b.Metadata.Name]
		var p object
		for _, o := range native {
			if o.Metadata.Name == b.Spec.PolicyName && !strings.HasSuffix(o.Kind, "Binding") {
				p = o
			}
		}
		if p.Kind == "" || k.Kind != strings.Replace(p.Kind, "Admission", "", 1) {
			t.Errorf("%s of %s is %q and %q", b.Metadata.Name, b.Spec.PolicyName, p.Kind, k.Kind)
		}
		for name, pair := range map[string][2]any{
			"matchConditions": {p.Spec.MatchConditions, k.Spec.MatchConditions}, "variables": {p.Spec.Variables, k.Spec.Variables},
			"mutations": {p.Spec.Mutations, k.Spec.Mutations}, "validations": {p.Spec.Validations, k.Spec.Validations},
			"validationActions": {b.Spec.ValidationActions, k.Spec.ValidationActions},
			"namespaceSelector": {b.Spec.MatchResources.NamespaceSelector, k.Spec.MatchConstraints.NamespaceSelector},
		} {
			if !reflect.DeepEqual(pair[0], pair[1]) {
				t.Errorf("%s: %s (-admission policy +Kyverno)\n%s", b.Metadata.Name, name, cmp.Diff(pair[0], pair[1]))
			}
		}
	}
	if bindings != 5 || len(kyverno) != 5 {
		t.Errorf("%d bindings, %d policies of Kyverno, want 5", bindings, len(kyverno))
	}
}

// deployment is what authentik 2026.2 makes of an outpost (authentik/outposts/controllers/k8s), as
// it hands it to the patch: without lists that are empty, or with them, as later versions do.
const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ak-outpost-proxy
  namespace: authentik
  labels: {app.kubernetes.io/instance: proxy, app.kubernetes.io/managed-by: goauthentik.io, app.kubernetes.io/name: authentik-proxy}
spec:
  replicas: 1
  selector: {matchLabels: {goauthentik.io/outpost-name: proxy, goauthentik.io/outpost-type: proxy}}
  template:
    metadata:
      labels:
        app: authentik-outpost
        app.kubernetes.io/managed-by: goauthentik.io
        app.kubernetes.io/name: authentik-outpost-proxy
        goauthentik.io/outpost-name: proxy
        goauthentik.io/outpost-type: proxy
        goauthentik.io/outpost-uuid: 5f3a9c6d1b7e4d0f8a2c4e6b9d1f3a57
    spec:
      imagePullSecrets: []
      securityContext: {seccompProfile: {type: RuntimeDefault}}
      VOLUMES
      containers:
      - name: proxy
        image: ghcr.io/goauthentik/proxy:2026.2.2
        ports: [{containerPort: 9000, name: http, protocol: TCP}]
        env:
        - {name: AUTHENTIK_HOST, valueFrom: {secretKeyRef: {name: ak-outpost-proxy, key: authentik_host}}}
        - {name: AUTHENTIK_TOKEN, valueFrom: {secretKeyRef: {name: ak-outpost-proxy, key: token}}}
        securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// authentik applies the patch to the Deployment that it would make and to the one that is there,
// which it updates as long as that changes it. The outposts are then as the policy wants them.
func TestExport_AuthentikPatchIsIdempotent(t *testing.T) {
	got := shm("", "export", "authentik-proxy-outposts", "-o", "authentik")
	var config struct {
		Patches struct {
			Deployment json.RawMessage `json:"deployment"`
		} `json:"kubernetes_json_patches"`
	}
	if err := yaml.UnmarshalStrict([]byte(got.Out), &config); err != nil {
		t.Fatalf("%v in %+v", err, got)
	}
	patch, err := jsonpatch.DecodePatch(config.Patches.Deployment)
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range patch {
		if path, err := op.Path(); err != nil || strings.HasSuffix(path, "/-") {
			t.Errorf("%q, %v: appends", path, err)
		}
	}
	for _, volumes := range []string{"", "volumes: []"} {
		reference, err := yaml.YAMLToJSON([]byte(strings.Replace(deployment, "VOLUMES", volumes, 1)))
		if err != nil {
			t.Fatal(err)
		}
		once, err := patch.Apply(reference)
		if err != nil {
			t.Fatal(err)
		}
		// What an API server returns has its own order of fields and canonical quantities.
		var d appsv1.Deployment
		if err := json.Unmarshal(once, &d); err != nil {
			t.Fatal(err)
		}
		current, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := patch.Apply(current)
		if err != nil || !jsonpatch.Equal(current, twice) {
			t.Errorf("applied again: %v\n%s\n%s", err, current, twice)
		}
		source := policytest.Library(t, "authentik-proxy-outposts")
		compiled, errs := policy.Compile(&source)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		subject, _ := policy.NewSubject(&d)
		if e := policy.NewSet(compiled).Evaluate(subject); e.Outcome != policy.Compliant || len(e.Warnings) > 0 {
			t.Errorf("the outpost is %s, %s, %q", e.Outcome, e.Detail, e.Warnings)
		}
	}
}

func TestExport_BadUsage(t *testing.T) {
	guess := strings.Replace(clitest.Policy, "images: [a]", "tmpfsPaths: Detect", 1)
	clitest.InDir(t, "p.yaml", clitest.Policy, "guess.yaml", guess,
		"audit.yaml", strings.Replace(clitest.Policy, "images: [a]", "images: [ghcr.io/goauthentik/proxy]", 1)+"  mutation: Disabled\n")
	for args, want := range map[string]string{
		"":                             "there is no policy to export: give its name or its file, or pipe those of a cluster: kubectl get shmp -o yaml | kubectl shm export -; kubectl shm policies lists the built-in ones",
		"seleniun":                     "seleniun: there is no such file or directory: check the path; did you mean selenium? If not, kubectl shm policies lists the built-in ones",
		"gitlab -o authentick":         `invalid argument "authentick" for "-o, --output" flag: did you mean authentik? If not, write admission-policy, kyverno, authentik or terraform: see kubectl shm export --help`,
		"gitlab -o authentik":          `policy "gitlab" does not match outposts of authentik: give one that does, such as authentik-proxy-outposts`,
		"gitlab selenium -o terraform": "-o terraform: 2 policies are given, and an outpost has one: name the one that matches outposts",
		"gitlab --memory-limit 1Gi":    "--memory-limit: has no effect with -o admission-policy: remove it",
		"authentik-proxy-outposts -o authentik --memory-limit 0": `--memory-limit: "0" is not a limit: write one such as 512Mi, or leave the flag out`,
		"audit.yaml -o authentik":                                `policy "p" changes nothing in an outpost of type proxy: container "proxy" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: mount a Memory emptyDir with sizeLimit: 1Gi there`,
		"-p guess.yaml":                                          `policy "p": spec.match: every entry has tmpfsPaths alone, which only guesses, and a guess has no admission policy: add a podSelector or images`,
	} {
		if got := shm("", append([]string{"export"}, strings.Fields(args)...)...); got.Code != cli.ExitUsage || got.ErrOut != "error: "+want+"\n" || got.Out != "" {
			t.Errorf("%s: got %+v, want %s", args, got, want)
		}
	}
	if got := shm("", "export", "-p", "p.yaml"); got.Code != cli.ExitOK || !strings.Contains(got.Out, "mutate.p.shmkeeper.dev") {
		t.Errorf("a file: got %+v", got)
	}
}
