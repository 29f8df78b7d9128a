package reviewer

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/internal/podkind"
	"github.com/shmkeeper/shmkeeper/internal/podtemplate"
	"github.com/shmkeeper/shmkeeper/policy"
)

// addOther adds the Pod templates of an object of any other kind, found by their shape. What has one
// that cannot be read is named in a note.
func (in *Input) addOther(o manifest.Object) error {
	object, err := decoded(o)
	if err != nil {
		return err
	}
	if s := podtemplate.ScalerOf(object); s != nil {
		s.Namespace = o.Namespace
		in.scalers = append(in.scalers, *s)
		return nil
	}
	found, unread := podtemplate.Find(object)
	if len(found)+len(unread) > 0 && isRemovedVersion(o) {
		in.note(o, "", fmt.Sprintf("is of %s, which no API server has any more: write %s", plainVersion(o.APIVersion), podkind.VersionOf(o.Kind)))
		found, unread = nil, nil
	}
	for _, u := range unread {
		in.note(o, u.Pointer, u.Why)
	}
	before := len(in.Workloads)
	for _, t := range found {
		in.addTemplate(o, t, len(found) > 1)
	}
	if len(in.Workloads) == before {
		in.Skipped[o.Kind]++
	}
	return nil
}

// addTemplate adds a Pod template that was found by its shape.
func (in *Input) addTemplate(o manifest.Object, t podtemplate.Template, several bool) {
	added, atShm := addedVolumes(t.Spec)
	if atShm != "" {
		in.note(o, t.Pointer, fmt.Sprintf("mounts volume %q at /dev/shm, which only its controller knows: review the Pods that are made from it (kubectl get pods -o yaml)", atShm))
		return
	}
	if err := manifest.CheckPod(manifest.Object{}, "", t.Spec, added...); err != nil {
		var all cli.Errors
		all.Add(err)
		in.note(o, t.Pointer, "is not valid: "+all[0].Error())
		return
	}
	in.custom[cli.Plain(o.Kind)] = true
	at := ""
	if several {
		at = cli.FieldOf(t.Pointer)
	}
	in.Workloads = append(in.Workloads, Workload{
		Object: o, At: at, Fixed: t.Form != podtemplate.PodTemplate,
		Subject: policy.Subject{
			Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Pod: policy.ViewOf(t.Meta, t.Spec),
			Pointer: t.Pointer, Suspended: t.Suspended, QueueName: t.QueueName, Claims: added,
		},
	})
}

// addedVolumes returns the names of volumes that are mounted and not there: the controller of a
// custom kind adds them to its Pods, of claim templates for example. atShm is one of them that is
// mounted at /dev/shm or below; empty for none.
func addedVolumes(spec *corev1.PodSpec) (names []string, atShm string) {
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, m := range c.VolumeMounts {
			if slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
				continue
			}
			if at := path.Clean("/" + m.MountPath); at == cli.DevShm || strings.HasPrefix(at, cli.DevShm+"/") {
				atShm = m.Name
			}
			if !slices.Contains(names, m.Name) {
				names = append(names, m.Name)
			}
		}
	}
	return names, atShm
}

// note adds a note on a place that has, or may have, a Pod template and is not reviewed.
func (in *Input) note(o manifest.Object, pointer, why string) {
	title, place := titleOf(o.Kind, o.Namespace, o.Name), "it"
	if pointer != "" {
		place = cli.FieldOf(pointer)
	}
	in.Notes = append(in.Notes, fmt.Sprintf("%s has a Pod template that is not looked at: %s %s", title, place, why))
}

// isRemovedVersion reports whether an object would be of a known type if it were written in another
// version of its API. Objects of groups of other projects are not, whatever kind they are of.
func isRemovedVersion(o manifest.Object) bool {
	served := podkind.VersionOf(o.Kind)
	return served != "" && o.APIVersion != served && (groupOf(o.APIVersion) == groupOf(served) || groupOf(o.APIVersion) == "extensions")
}

// groupOf returns the group of an apiVersion; empty for the core group.
func groupOf(version string) string {
	if group, _, found := strings.Cut(version, "/"); found {
		return group
	}
	return ""
}

// Title names the object, and the field of the template if its kind does not say where it is.
func (w Workload) Title() string {
	title := titleOf(w.Subject.Kind, w.Subject.Namespace, w.Subject.Name)
	if w.At != "" {
		title += " " + w.At
	}
	return title
}

// titleOf returns kind/namespace/name.
func titleOf(kind, namespace, name string) string {
	return cli.Plain(kind) + "/" + cli.Plain(namespace) + "/" + cli.Plain(name)
}

// plainVersion returns an apiVersion, both parts of which may be anything.
func plainVersion(version string) string {
	group, version, found := strings.Cut(version, "/")
	if !found {
		return cli.Plain(group)
	}
	return cli.Plain(group) + "/" + cli.Plain(version)
}

// ContainerPath returns the field of a container within the object; empty if the Pod has none of that name.
func (w Workload) ContainerPath(name string) string {
	for list, containers := range map[string][]policy.ContainerView{"initContainers": w.Subject.Pod.Spec.InitContainers, "containers": w.Subject.Pod.Spec.Containers} {
		for i := range containers {
			if containers[i].Name == name && name != "" {
				return fmt.Sprintf("%s[%d]", cli.FieldOf(w.Subject.Pointer+"/spec/"+list), i)
			}
		}
	}
	return ""
}
