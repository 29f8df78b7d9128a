package admissionpolicy

import (
	"errors"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Policy is a policy to write: as its author wrote it, and compiled.
type Policy struct {
	Compiled policy.Policy
	Source   *v1alpha1.SharedMemoryPolicy
}

// Objects are the admission policies that stand for one SharedMemoryPolicy. Mutate and its binding
// are nil for a policy that changes nothing.
type Objects struct {
	// Policy is the name of the policy.
	Policy string

	Mutate        *admissionregistrationv1.MutatingAdmissionPolicy
	MutateBinding *admissionregistrationv1.MutatingAdmissionPolicyBinding
	// Validate rejects, and Undecided warns of what the others leave alone.
	Validate, Undecided *admissionregistrationv1.ValidatingAdmissionPolicy
	// Bindings are those of the last two, by mode.
	Bindings []admissionregistrationv1.ValidatingAdmissionPolicyBinding
	// Notes say what no expression can say.
	Notes []Note
}

// ErrOnlyGuesses is the error for a policy that has no entry of match but guesses.
var ErrOnlyGuesses = errors.New("spec.match: every entry has tmpfsPaths alone, which only guesses, and a guess has no admission policy: add a podSelector or images")

// Generate returns the admission policies that stand for the given policies, in the order in which
// they decide: where two match a Pod, only the first of them changes or rejects it.
func Generate(policies []Policy) ([]Objects, error) {
	var ranked []*generator
	for _, compiled := range policy.NewSet(compiledOf(policies)...).Policies() {
		i := slices.IndexFunc(policies, func(p Policy) bool { return p.Compiled == compiled })
		g := newGenerator(policies[i])
		if !slices.ContainsFunc(g.spec.Match, func(m v1alpha1.Match) bool { return !isGuess(&m) }) {
			return nil, fmt.Errorf("policy %q: %w", g.policy.Name(), ErrOnlyGuesses)
		}
		g.first = slices.Clone(ranked)
		ranked = append(ranked, g)
	}
	var out []Objects
	for _, g := range ranked {
		g.generate()
		out = append(out, g.objects())
	}
	return out, nil
}

func compiledOf(policies []Policy) []policy.Policy {
	out := make([]policy.Policy, len(policies))
	for i := range policies {
		out[i] = policies[i].Compiled
	}
	return out
}

const domain = ".shmkeeper.dev"

func (g *generator) objects() Objects {
	name := g.policy.Name() + domain
	out := Objects{Policy: g.policy.Name(), Notes: g.notes()}
	out.Validate = g.validating("validate."+name, admissionregistrationv1.Fail, g.validations())
	out.Undecided = g.validating("undecided."+name, admissionregistrationv1.Ignore, []admissionregistrationv1.Validation{{
		Expression: expr("!$decides || $undecided == ''"),
		MessageExpression: expr("%s + $undecided + %s", literal("SharedMemoryPolicy "+g.policy.Name()+
			" leaves this Pod as it is, since an admission policy cannot decide about it: "), literal(": check it with kubectl shm review")),
	}})
	if g.mutates() && g.spec.Mode == v1alpha1.Enforce {
		out.Mutate = g.mutating("mutate." + name)
		out.MutateBinding = &admissionregistrationv1.MutatingAdmissionPolicyBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: apiVersion, Kind: "MutatingAdmissionPolicyBinding"},
			ObjectMeta: metav1.ObjectMeta{Name: "mutate." + name},
			Spec:       admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: "mutate." + name, MatchResources: inMode("enforce")},
		}
	}
	out.Bindings = g.bindings(name)
	return out
}

var apiVersion = admissionregistrationv1.SchemeGroupVersion.String()

// bindings returns the bindings of the validating policies: what the label of the namespace asks
// for, and at most what the policy does.
func (g *generator) bindings(name string) []admissionregistrationv1.ValidatingAdmissionPolicyBinding {
	binding := func(as, policyName string, modes []string, actions ...admissionregistrationv1.ValidationAction) admissionregistrationv1.ValidatingAdmissionPolicyBinding {
		return admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: apiVersion, Kind: "ValidatingAdmissionPolicyBinding"},
			ObjectMeta: metav1.ObjectMeta{Name: as + "." + name},
			Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: policyName, ValidationActions: actions, MatchResources: inMode(modes...),
			},
		}
	}
	const deny, warn, audit = admissionregistrationv1.Deny, admissionregistrationv1.Warn, admissionregistrationv1.Audit
	validate, undecided := "validate."+name, "undecided."+name
	switch g.spec.Mode {
	case v1alpha1.Enforce:
		return []admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			binding("enforce", validate, []string{"enforce"}, deny),
			binding("warn", validate, []string{"warn"}, warn),
			binding("audit", validate, []string{"audit"}, audit),
			binding("undecided", undecided, []string{"enforce", "warn"}, warn, audit),
		}
	case v1alpha1.Warn:
		return []admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			binding("warn", validate, []string{"enforce", "warn"}, warn),
			binding("audit", validate, []string{"audit"}, audit),
			binding("undecided", undecided, []string{"enforce", "warn"}, warn, audit),
		}
	default:
		all := []string{"audit", "enforce", "warn"}
		return []admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			binding("audit", validate, all, audit),
			binding("undecided", undecided, all, audit),
		}
	}
}

// inMode selects the namespaces that a label opts in, as the webhooks do.
func inMode(modes ...string) *admissionregistrationv1.MatchResources {
	return &admissionregistrationv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: v1alpha1.LabelMode, Operator: metav1.LabelSelectorOpIn, Values: modes},
		{Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpNotIn, Values: []string{"kube-system", "shmkeeper-system"}},
	}}}
}

// newPods are the requests that the policies look at.
func newPods() *admissionregistrationv1.MatchResources {
	return &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
		RuleWithOperations: admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
		},
	}}}
}

// matchConditions keep Pods from being looked at that the policy could not match, that it skips and
// that are exempt.
func (g *generator) matchConditions() []admissionregistrationv1.MatchCondition {
	var out []admissionregistrationv1.MatchCondition
	if may, ok := matchcondition.Expression([]*v1alpha1.SharedMemoryPolicy{g.source}, nil); ok {
		out = append(out, admissionregistrationv1.MatchCondition{Name: matchcondition.Name, Expression: may})
	}
	const annotations = "[has(object.metadata.annotations) ? object.metadata.annotations : {}]"
	out = append(out,
		admissionregistrationv1.MatchCondition{Name: "not-a-mirror-pod", Expression: "!" + annotations + ".exists(a, '" + corev1.MirrorPodAnnotationKey + "' in a)"},
		admissionregistrationv1.MatchCondition{Name: "not-on-windows", Expression: "!(has(object.spec.os) && object.spec.os.name == 'windows') && " +
			"!(has(object.spec.nodeSelector) && '" + corev1.LabelOSStable + "' in object.spec.nodeSelector && object.spec.nodeSelector['" + corev1.LabelOSStable + "'] == 'windows')"})
	if g.spec.Exemptions == v1alpha1.Allowed {
		out = append(out, admissionregistrationv1.MatchCondition{Name: "not-exempt", Expression: "!" + annotations +
			".exists(a, '" + v1alpha1.AnnotationExempt + "' in a && a['" + v1alpha1.AnnotationExempt + "'].trim() != '')"})
	}
	return out
}

func (g *generator) mutating(name string) *admissionregistrationv1.MutatingAdmissionPolicy {
	expression := g.patch()
	return &admissionregistrationv1.MutatingAdmissionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiVersion, Kind: "MutatingAdmissionPolicy"},
		ObjectMeta: g.meta(name),
		Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
			MatchConstraints:   newPods(),
			MatchConditions:    g.matchConditions(),
			FailurePolicy:      new(admissionregistrationv1.Ignore),
			ReinvocationPolicy: admissionregistrationv1.IfNeededReinvocationPolicy,
			Variables:          g.used(expression),
			Mutations: []admissionregistrationv1.Mutation{{
				PatchType: admissionregistrationv1.PatchTypeJSONPatch, JSONPatch: &admissionregistrationv1.JSONPatch{Expression: expression},
			}},
		},
	}
}

func (g *generator) validating(name string, onFailure admissionregistrationv1.FailurePolicyType, validations []admissionregistrationv1.Validation) *admissionregistrationv1.ValidatingAdmissionPolicy {
	var expressions []string
	for _, v := range validations {
		expressions = append(expressions, v.Expression, v.MessageExpression)
	}
	return &admissionregistrationv1.ValidatingAdmissionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiVersion, Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: g.meta(name),
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: newPods(),
			MatchConditions:  g.matchConditions(),
			FailurePolicy:    new(onFailure),
			Variables:        g.used(expressions...),
			Validations:      validations,
		},
	}
}

// validations returns a validation for each check of a Pod as it is.
func (g *generator) validations() []admissionregistrationv1.Validation {
	var out []admissionregistrationv1.Validation
	for _, c := range g.checks("$current", "$limits") {
		out = append(out, admissionregistrationv1.Validation{
			Expression: expr("!(%s) || !(%s)", "$applies", c.condition),
			// Of a workload's Pods 422 would have some controllers delete and recreate the workload.
			Reason:            new(metav1.StatusReasonForbidden),
			MessageExpression: expr("%s + %s", literal(fmt.Sprintf("violates SharedMemoryPolicy %q: %s (%s): ", g.policy.Name(), c.reason, c.reason.ID())), c.message),
		})
	}
	return out
}
