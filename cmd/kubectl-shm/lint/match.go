package lint

import (
	"path"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// isEverything reports whether an entry matches every Pod of every namespace.
func isEverything(m *v1alpha1.Match) bool {
	return (m.PodSelector != nil || m.NamespaceSelector != nil) &&
		selectsAll(m.PodSelector) && selectsAll(m.NamespaceSelector) && m.Images == nil && m.TmpfsPaths == "" && m.Mounted == nil
}

func selectsAll(s *metav1.LabelSelector) bool {
	return s == nil || len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}

// covers reports whether an entry of exclude certainly matches every Pod that an entry of match
// matches: each of its fields follows from one of the other. False means that it is not known.
func covers(exclude, match *v1alpha1.Match) bool {
	if reflect.ValueOf(*exclude).IsZero() {
		return false // it excludes nothing
	}
	return selectorCovers(exclude.PodSelector, match.PodSelector) &&
		selectorCovers(exclude.NamespaceSelector, match.NamespaceSelector) &&
		imagesCover(exclude.Images, match.Images) &&
		(exclude.TmpfsPaths == "" || exclude.TmpfsPaths == match.TmpfsPaths) &&
		(exclude.Mounted == nil || match.Mounted != nil)
}

func selectorCovers(exclude, match *metav1.LabelSelector) bool {
	if selectsAll(exclude) {
		return true
	}
	x, xErr := metav1.LabelSelectorAsSelector(exclude)
	m, mErr := metav1.LabelSelectorAsSelector(match)
	if xErr != nil || mErr != nil {
		return false
	}
	has, _ := m.Requirements()
	wanted, _ := x.Requirements()
	return !slices.ContainsFunc(wanted, func(r labels.Requirement) bool { return !slices.ContainsFunc(has, r.Equal) })
}

func imagesCover(exclude, match []string) bool {
	if exclude == nil {
		return true
	}
	if match == nil {
		return false
	}
	for _, pattern := range match {
		covered := func(x string) bool {
			fits, err := path.Match(x, pattern)
			return x == pattern || err == nil && fits && !policyfile.IsGlob(pattern)
		}
		if !slices.ContainsFunc(exclude, covered) {
			return false
		}
	}
	return true
}

// oddImage says what is odd about a pattern that no image fits, or only images that are hardly meant;
// empty for any other.
//
// An image's repository is REGISTRY/PATH, with lower-case letters after the registry. Without a
// registry it is Docker Hub's, and without a folder one of docker.io/library. An asterisk does not
// cross "/".
func oddImage(pattern string) string {
	parts := strings.Split(pattern, "/")
	literals := strings.Trim(pattern, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:")
	switch {
	case strings.Contains(pattern, "://"):
		return "matches no image: leave out the part before ://"
	case slices.Contains(parts, ""):
		return `matches no image: remove the "/" that has nothing before or after it`
	case !policyfile.IsGlob(pattern) && literals != "", strings.ContainsAny(pattern, " \t\n"):
		return "matches no image: use letters, digits and . _ - / only"
	case strings.Contains(pattern, "**"):
		return `does not match deeper folders, since "**" means the same as "*": write one "*" for each part`
	case !policyfile.IsGlob(pattern) && strings.Join(parts[1:], "/") != strings.ToLower(strings.Join(parts[1:], "/")):
		return "matches no image, whose path has lower-case letters only: write " + parts[0] + "/" + strings.ToLower(strings.Join(parts[1:], "/"))
	case len(parts) == 1 && policyfile.IsGlob(pattern):
		return "matches only Docker Hub's own images, docker.io/library/" + pattern + `: write the registry and the folder, "*" for any`
	case len(parts) == 2 && policyfile.IsGlob(parts[0]):
		return "matches only images that a registry has outside of any folder: write */*/" + parts[1] + " for those in a folder"
	default:
		return ""
	}
}
