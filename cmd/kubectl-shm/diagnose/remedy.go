package diagnose

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// remedies fills in what to do now and for good, about the volume that is worst.
func (r *report) remedies(worst *volume, w live.Workload) {
	if r.Reason == healthy || worst == nil {
		return
	}
	if r.Reason == unreadable {
		if !errors.Is(worst.err, inspect.ErrNoShell) && !errors.Is(worst.err, inspect.ErrNotRunning) {
			return // another container would not be reached either
		}
		r.Now = []remedy{{
			Command: fmt.Sprintf("kubectl shm diagnose %s -n %s --allow-ephemeral-container", r.Pod, r.Namespace),
			Why:     "looks from a container that is added to the Pod for it. Its entry stays in the Pod's spec until the Pod is deleted.",
		}}
		return
	}
	if worst.Volume != "" {
		r.Now = append(r.Now, r.resize())
	}
	restart := r.restart(w)
	r.Now = append(r.Now, remedy{Command: restart, Why: r.lost(worst)})
	if w.Kind == "Pod" {
		restart = ""
	}
	r.ForGood = r.forGood(restart)
}

// resize is the remedy that loses nothing.
func (r *report) resize() remedy {
	command := fmt.Sprintf("kubectl shm resize %s -n %s", r.Pod, r.Namespace)
	if r.Policy != nil && !r.Policy.Installed {
		command += " -p " + r.Policy.Name
	}
	return remedy{Command: command, Why: "loses nothing: says whether this cluster can enlarge the volume and the memory limit of the running Pod, and with --dry-run=none does it."}
}

// restart returns the command that replaces the Pod.
func (r *report) restart(w live.Workload) string {
	switch w.Kind {
	case "Deployment", "StatefulSet", "DaemonSet":
		return fmt.Sprintf("kubectl rollout restart %s/%s -n %s", strings.ToLower(w.Kind), w.Name, w.Namespace)
	default:
		return fmt.Sprintf("kubectl delete pod %s -n %s", r.Pod, r.Namespace)
	}
}

// lost says what a restart brings and loses.
func (r *report) lost(v *volume) string {
	var b strings.Builder
	b.WriteString("replaces the Pod by a new one, with an empty " + v.MountPath + ": loses what is in memory")
	if v.Learned != nil && v.Learned.Files > 0 {
		fmt.Fprintf(&b, ", %s files here (sessions, if that is what they are: their users log in again)", human.Count(v.Learned.Files))
	}
	b.WriteString(".")
	if v.Learned != nil && v.Learned.PerMinute > 0 && v.Learned.PagesEach > 0 && !r.enforced() {
		// Files that came when it was full have no page, and those that come to an empty one will.
		minutes := float64(v.Size) / float64(v.Learned.PagesEach) / v.Learned.PerMinute
		if again := time.Duration(minutes * float64(time.Minute)); minutes < (365 * 24 * time.Hour).Minutes() {
			fmt.Fprintf(&b, " As long as nothing else changes it is full again after %s.", human.Duration(again))
		}
	}
	return b.String()
}

// enforced reports whether a new Pod gets what the policy gives.
func (r *report) enforced() bool {
	return r.Policy != nil && r.Policy.Installed && r.Policy.Mode == v1alpha1.Enforce && r.Policy.NamespaceMode == v1alpha1.Enforce
}

// forGood is three lines: a policy, the namespace's mode, and new Pods.
func (r *report) forGood(restart string) []remedy {
	var out []remedy
	switch {
	case r.Policy == nil:
		out = append(out, remedy{
			Command: fmt.Sprintf("kubectl shm recommend -n %s -o policies > policy.yaml; kubectl apply -f policy.yaml", r.Namespace),
			Why:     "no policy matches this Pod, and none of the library would: review the one that is written from what was seen.",
		})
	case !r.Policy.Installed:
		out = append(out, remedy{
			Command: fmt.Sprintf("kubectl shm policies %s -o yaml | kubectl apply -f -", r.Policy.Name),
			Why:     "the policy of the library that fits; it gives " + r.Policy.gives() + ".",
		})
	case r.Policy.Outcome == policy.Compliant && r.Reason != healthy:
		out = append(out, remedy{
			Command: fmt.Sprintf("kubectl shm recommend -n %s", r.Namespace),
			Why:     fmt.Sprintf("the Pod has what policy %s gives, %s, and that is too little: this says what the files that are there need. Write it into the policy.", r.Policy.Name, r.Policy.gives()),
		})
	default:
		out = append(out, remedy{
			Command: fmt.Sprintf("kubectl get sharedmemorypolicy %s -o yaml", r.Policy.Name),
			Why:     "the policy that matches; it gives " + r.Policy.gives() + ".",
		})
	}
	if r.Policy == nil || r.Policy.NamespaceMode != v1alpha1.Enforce {
		out = append(out, remedy{
			Command: fmt.Sprintf("kubectl label namespace %s %s=enforce --overwrite", r.Namespace, v1alpha1.LabelMode),
			Why:     "new Pods of the namespace get it; kubectl shm audit says beforehand what else would change there.",
		})
	}
	if restart == "" {
		return append(out, remedy{Why: "create the Pod again: it has no controller that does."})
	}
	return append(out, remedy{Command: restart, Why: "Pods that are there keep what they have."})
}

// gives says what the policy gives.
func (f *fit) gives() string {
	if f.SizeLimit == 0 {
		return "what its sizing says"
	}
	return fmt.Sprintf("a volume of %s, and the memory that it costs, %s", f.SizeLimit, f.size.MemoryCost)
}
