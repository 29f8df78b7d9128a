package initpolicy

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// draft represents a policy to be written.
type draft struct {
	workload *reviewer.Workload
	name     string
	writer   *policy.ContainerView
	labels   [][2]string
	sizing   *v1alpha1.Sizing
	// why says where the sizing is from.
	why string
}

// containers returns those that keep running.
func (d *draft) containers() []*policy.ContainerView {
	var out []*policy.ContainerView
	spec := &d.workload.Subject.Pod.Spec
	for i := range spec.Containers {
		out = append(out, &spec.Containers[i])
	}
	for i := range spec.InitContainers {
		if c := &spec.InitContainers[i]; c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			out = append(out, c)
		}
	}
	return out
}

// chooseWriter fills in the container of the given name, or else the one that most likely writes there.
func (d *draft) chooseWriter(name string) error {
	all := d.containers()
	if name != "" {
		var names []string
		for _, c := range all {
			if c.Name == name {
				d.writer = c
				return nil
			}
			names = append(names, c.Name)
		}
		return fmt.Errorf("--container: %s is not a container of %s: %s", cli.Quote(name), d.workload.Title(), cli.DidYouMean(name, names, "give one of "+strings.Join(names, ", ")))
	}
	main := d.workload.Subject.Pod.Metadata.Annotations["kubectl.kubernetes.io/default-container"]
	for _, is := range [...]func(*policy.ContainerView) bool{
		func(c *policy.ContainerView) bool { return mountAt(c) != "" },
		mentions,
		func(c *policy.ContainerView) bool { return c.Name == main },
		func(*policy.ContainerView) bool { return true },
	} {
		if i := slices.IndexFunc(all, is); i >= 0 {
			d.writer = all[i]
			return nil
		}
	}
	return fmt.Errorf("%s: there is no container that keeps running: name another workload", d.workload.Title())
}

// mountAt returns the volume that a container mounts at /dev/shm; empty for none.
func mountAt(c *policy.ContainerView) string {
	for _, m := range c.VolumeMounts {
		if path.Clean("/"+m.MountPath) == cli.DevShm {
			return m.Name
		}
	}
	return ""
}

// mentions reports whether a container names /dev/shm in its command, arguments or environment.
func mentions(c *policy.ContainerView) bool {
	has := func(text string) bool { return strings.Contains(text, cli.DevShm) }
	return slices.ContainsFunc(c.Command, has) || slices.ContainsFunc(c.Args, has) ||
		slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return has(e.Value) })
}

// guess is the size of a volume of which nothing is known.
var guess = resource.MustParse("256Mi")

// sizeOfVolume fills in the size of the volume that the writer mounts.
func (d *draft) sizeOfVolume() {
	d.sizing, d.why = &v1alpha1.Sizing{Fixed: &v1alpha1.Fixed{Size: guess}}, "A GUESS, CORRECT IT: nothing in the manifest says how much is needed. kubectl shm size computes it"
	name := mountAt(d.writer)
	for _, v := range d.workload.Subject.Pod.Spec.Volumes {
		if v.Name == name && v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory && v.EmptyDir.SizeLimit != nil && v.EmptyDir.SizeLimit.Sign() > 0 {
			d.sizing.Fixed.Size = *v.EmptyDir.SizeLimit
			d.why = fmt.Sprintf("that of volume %s, which the manifest mounts there", strconv.Quote(name))
		}
	}
}

// text returns the policy in YAML, with comments.
func (d *draft) text() (string, error) {
	sizing, err := yaml.Marshal(d.sizing)
	if err != nil {
		return "", fmt.Errorf("write the sizing: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by kubectl shm init from %s.\n# Check it with kubectl shm lint, and see what it does with kubectl shm review -p.\n", d.workload.Title())
	fmt.Fprintf(&b, "apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\nspec:\n", v1alpha1.GroupVersion, v1alpha1.Kind, scalar(d.name))
	b.WriteString("  # Audit reports. Then Warn, and Enforce when nothing unexpected is reported.\n  mode: Audit\n")
	b.WriteString("  # Each entry that matches suffices; what is in one entry has to match together.\n  match:\n")
	if len(d.labels) > 0 {
		b.WriteString("  - podSelector:\n      matchLabels:\n")
		for _, label := range d.labels {
			fmt.Fprintf(&b, "        %s: %s\n", label[0], scalar(label[1]))
		}
	} else {
		fmt.Fprintf(&b, "  - images: [%s]\n", scalar(reviewer.RepositoryOf(d.writer.Image)))
	}
	fmt.Fprintf(&b, "  # The containers that write there. The volume's memory is added to their limits.\n  writers:\n    names: [%s]\n", scalar(d.writer.Name))
	fmt.Fprintf(&b, "  # The size is %s.\n  sizing:\n", d.why)
	for line := range strings.Lines(string(sizing)) {
		b.WriteString("    " + line)
	}
	b.WriteString("  memory:\n    # Raise adds what the volume costs; Require rejects Pods whose limit does not hold it.\n    handling: Raise\n")
	return b.String(), nil
}

// scalar returns a text as a scalar of YAML, which may stand in a flow sequence.
func scalar(text string) string {
	encoded, err := yaml.Marshal(text)
	if plain := strings.TrimSpace(string(encoded)); err == nil && !strings.ContainsAny(plain, "\n,[]{}") {
		return plain
	}
	return strconv.Quote(text)
}
