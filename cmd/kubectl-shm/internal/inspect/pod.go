package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// MountReading is what was read of one mount.
type MountReading struct {
	Mount
	// Container is the container in which it was read.
	Container string
	// Usage is nil if Err says why.
	Usage *Usage
	// Memory is what that container is charged for; nil if it is not known.
	Memory *Memory
	// Err ends in the remedy.
	Err error
}

// ErrNotRunning means that no container that sees a mount runs.
var ErrNotRunning = errors.New("no container that sees it is running, so nobody can look: try again when one is, or allow an ephemeral container with --allow-ephemeral-container")

// Pod reads how full the mounts of a Pod are: in as few containers as see them all.
func (r *Reader) Pod(ctx context.Context, pod *corev1.Pod, e Ephemeral) []MountReading {
	var out []MountReading
	for _, m := range Mounts(pod) {
		out = append(out, MountReading{Mount: m, Err: ErrNotRunning})
	}
	for _, name := range readers(pod) {
		var paths []string
		var of []int
		for i := range out {
			if out[i].Usage == nil && slices.Contains(out[i].Containers, name) {
				of, paths = append(of, i), append(paths, out[i].Path)
			}
		}
		if len(of) == 0 {
			continue
		}
		t := Target{Namespace: pod.Namespace, Pod: pod.Name, Container: name}
		reading, err := r.Usage(ctx, t, paths...)
		fillIn(out, of, t, reading, err)
		if err != nil && !errors.Is(err, ErrNoShell) {
			return out
		}
	}
	return r.withEphemeral(ctx, pod, e, out)
}

// withEphemeral reads in an ephemeral container what no other container could.
func (r *Reader) withEphemeral(ctx context.Context, pod *corev1.Pod, e Ephemeral, out []MountReading) []MountReading {
	var of []int
	var mounts []Mount
	var paths []string
	for i := range out {
		switch {
		case out[i].Usage != nil:
		case e.Allowed:
			of, mounts, paths = append(of, i), append(mounts, out[i].Mount), append(paths, out[i].Path)
		case errors.Is(out[i].Err, ErrNoShell):
			out[i].Err = fmt.Errorf("%w; allow an ephemeral container with --allow-ephemeral-container", out[i].Err)
		}
	}
	if len(of) == 0 {
		return out
	}
	t, err := r.AddContainer(ctx, pod, e.Image, mounts)
	if err != nil {
		fillIn(out, of, t, Reading{}, err)
		return out
	}
	reading, err := r.Usage(ctx, t, paths...)
	reading.Memory = nil // its own, not that of the containers that write
	fillIn(out, of, t, reading, err)
	return out
}

// fillIn enters a reading of some mounts, or why there is none.
func fillIn(out []MountReading, of []int, t Target, reading Reading, err error) {
	for n, i := range of {
		out[i].Container, out[i].Err = t.Container, err
		switch {
		case err != nil:
		case reading.Usage[n] == nil:
			out[i].Err = fmt.Errorf("container %q of Pod %s/%s has no %q, or neither stat nor df: see it with kubectl exec", t.Container, t.Namespace, t.Pod, out[i].Path)
		default:
			out[i].Usage, out[i].Memory = reading.Usage[n], reading.Memory
		}
	}
}

// readers returns the containers that run, regular ones before sidecars.
func readers(pod *corev1.Pod) []string {
	var out []string
	for _, c := range lastingContainers(pod) {
		if Running(pod, c.Name) {
			out = append(out, c.Name)
		}
	}
	return out
}
