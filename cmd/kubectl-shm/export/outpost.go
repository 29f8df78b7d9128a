package export

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/model"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// outpostTypes are the types of authentik's outposts.
var outpostTypes = [...]string{"proxy", "ldap", "radius", "rac"}

// outpost is what an outpost's Deployment gets.
type outpost struct {
	kind   string // proxy, ldap, radius or rac
	policy policyfile.Policy
	detail string
	patch  []operation
}

// operation is one of a JSON patch. Each sets a whole field, so that applying the patch again
// changes nothing: authentik applies it to the Deployment that it would make, and to the one that
// is there, and updates that as long as the patch would change it.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// newOutpost evaluates an outpost by a policy. The limit is what it has without the volume; empty
// for the policy's reserve.
func newOutpost(p policyfile.Policy, memoryLimit string) (outpost, error) {
	limit := p.Reserve()
	if memoryLimit != "" {
		var err error
		if limit, err = model.MemoryLimitFlag(memoryLimit, true); err != nil {
			return outpost{}, err
		}
	}
	set := policy.NewSet(p.Compiled)
	for _, kind := range outpostTypes {
		deployment := outpostDeployment(kind, max(limit, sizing.MiB))
		subject, _ := policy.NewSubject(deployment)
		e := set.Evaluate(subject)
		switch e.Outcome {
		case policy.NotMatched:
			continue
		case policy.Mutated:
			patch, err := patchOf(deployment, e.Plan.Patch(subject))
			return outpost{kind: kind, policy: p, detail: e.Detail, patch: patch}, err
		default:
			return outpost{}, fmt.Errorf("policy %s changes nothing in an outpost of type %s: %s", cli.Quote(e.Policy), kind, e.Detail)
		}
	}
	return outpost{}, fmt.Errorf("policy %s does not match outposts of authentik: give one that does, such as authentik-proxy-outposts", cli.Quote(p.Compiled.Name()))
}

// outpostDeployment returns what authentik makes of an outpost, as far as policies look at it, with
// a memory limit.
func outpostDeployment(kind string, limit sizing.Bytes) *appsv1.Deployment {
	labels := map[string]string{
		"app": "authentik-outpost", "app.kubernetes.io/name": "authentik-outpost-" + kind, "app.kubernetes.io/managed-by": "goauthentik.io",
		"goauthentik.io/outpost-name": "outpost", "goauthentik.io/outpost-type": kind,
	}
	memory := corev1.ResourceList{corev1.ResourceMemory: *limit.Quantity()}
	return &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: kind, Image: "ghcr.io/goauthentik/" + kind, Resources: corev1.ResourceRequirements{Limits: memory, Requests: memory},
		}}},
	}}}
}

// patchOf returns a patch that sets what a plan changes.
func patchOf(d *appsv1.Deployment, plan any) ([]operation, error) {
	text, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("write the plan: %w", err)
	}
	decoded, err := jsonpatch.DecodePatch(text)
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	before, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write the Deployment: %w", err)
	}
	after, err := decoded.Apply(before)
	if err != nil {
		return nil, fmt.Errorf("apply the plan: %w", err)
	}
	var changed appsv1.Deployment
	if err := json.Unmarshal(after, &changed); err != nil {
		return nil, fmt.Errorf("read the Deployment: %w", err)
	}
	const spec = "/spec/template/spec"
	c := &changed.Spec.Template.Spec.Containers[0]
	return []operation{
		{"add", spec + "/volumes", changed.Spec.Template.Spec.Volumes},
		{"add", spec + "/containers/0/volumeMounts", c.VolumeMounts},
		{"add", spec + "/containers/0/resources", c.Resources},
	}, nil
}

func (o outpost) comment() string {
	return fmt.Sprintf("# Policy %s for an outpost of type %s: %s.\n", o.policy.Compiled.Name(), o.kind, o.detail) +
		"# Each operation sets a whole field, so authentik can apply them again and again. If the\n" +
		"# configuration has other patches, of volumes say, join their values to these.\n"
}

func (o outpost) writeAuthentik(w io.Writer) error {
	fmt.Fprint(w, o.comment())
	return cli.WriteYAML(w, map[string]any{"kubernetes_json_patches": map[string]any{"deployment": o.patch}})
}

// writeTerraform writes a resource. JSON is also an expression of Terraform's language, but for
// "${" and "%{" in a text, which nothing here has.
func (o outpost) writeTerraform(w io.Writer) error {
	var text strings.Builder
	if err := cli.WriteJSON(&text, o.patch); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, `%s#
# config replaces all of the outpost's configuration: add what else it has.
variable "authentik_host" {
  type        = string
  description = "URL of authentik, as browsers reach it"
}

variable "outpost_providers" {
  type        = list(number)
  description = "IDs of the outpost's providers"
}

variable "outpost_service_connection" {
  type        = string
  description = "ID of the integration with the cluster, such as that of authentik_service_connection_kubernetes"
}

resource "authentik_outpost" %q {
  name               = %q
  type               = %q
  protocol_providers = var.outpost_providers
  service_connection = var.outpost_service_connection

  config = jsonencode({
    authentik_host = var.authentik_host
    kubernetes_json_patches = {
      deployment = %s
    }
  })
}
`, o.comment(), o.kind, o.kind, o.kind, strings.ReplaceAll(strings.TrimSuffix(text.String(), "\n"), "\n", "\n      "))
	return err
}
