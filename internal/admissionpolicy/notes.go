package admissionpolicy

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Note is something that the policy says and its admission policies do not.
type Note struct {
	Kind NoteKind
	// Text is a sentence that says what is left out, and what that means.
	Text string
}

// NoteKind says what a Note is about.
type NoteKind string

const (
	// Limits means that LimitRanges and ResourceQuotas are not read.
	Limits NoteKind = "Limits"
	// Undecided means that some Pods are left as they are, with a warning.
	Undecided NoteKind = "Undecided"
	// Creation means that only the creation of Pods is looked at.
	Creation NoteKind = "Creation"
	// Mirrors means that the images of mirrors are not known.
	Mirrors NoteKind = "Mirrors"
	// Warnings means that owners are not warned of anything that is not rejected.
	Warnings NoteKind = "Warnings"
	// Guesses means that entries that only guess are left out.
	Guesses NoteKind = "Guesses"
	// Observed means that measured rates do not count.
	Observed NoteKind = "Observed"
)

func (g *generator) notes() []Note {
	notes := []Note{
		{Undecided, "A Pod is left as it is, with a warning that says why, if it has pod-level resources, a runtime class with overhead, figures that a vertical autoscaler wrote, " +
			"paths in an unusual spelling, a hostPath volume that may be the node's /dev/shm, a Memory emptyDir below " + g.mountPath +
			", more than 32 containers or 64 volumes, or annotations that ask CRI-O for a size or describe its files."},
		{Limits, "LimitRanges and ResourceQuotas are not read: a Pod whose raised memory they do not admit is rejected by them, and its request is not raised for the ratio of a LimitRange."},
		{Creation, "Only the creation of Pods is looked at: not their resize, and not the workloads that make them."},
		{Mirrors, "Images of a mirror do not match by the name of their original (the server's --image-mirrors): add them to the policy's images."},
		{Warnings, "Owners read why a Pod is rejected, not the warnings of shmkeeper's webhooks. Changed Pods carry no annotation that says so."},
	}
	for i := range g.spec.Match {
		if isGuess(&g.spec.Match[i]) {
			notes = append(notes, Note{Guesses, "Entries of match that have tmpfsPaths alone only guess, and are left out."})
			break
		}
	}
	if s := g.spec.Sizing; s != nil && s.Files != nil && s.Files.Source == v1alpha1.FilesObserved {
		notes = append(notes, Note{Observed, "Measured rates (source: Observed) do not count: the size is that of the declared rate."})
	}
	return notes
}

// AnnotationNotes is the annotation of an exported object that says what is left out.
const AnnotationNotes = "shmkeeper.dev/export-notes"

func (g *generator) meta(name string) metav1.ObjectMeta {
	var texts []string
	for _, n := range g.notes() {
		texts = append(texts, n.Text)
	}
	return metav1.ObjectMeta{
		Name:        name,
		Annotations: map[string]string{v1alpha1.AnnotationPolicy: g.policy.Name(), AnnotationNotes: strings.Join(texts, "\n")},
	}
}
