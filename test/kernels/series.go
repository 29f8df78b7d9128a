package kernels

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// series represents kernels of one version, such as 6.12, and where Debian has them.
type series struct {
	version string
	// suites of Debian that have it, the first that answers is taken.
	suites []string
	// required reports whether a run that selects it fails without it.
	required bool
	// coarse reports whether its cgroups count kernel memory by 64 pages; see the guest.
	coarse bool
}

// allSeries returns the kernels that are measured: those of Debian's releases, and of those that were
// backports once the ones that charge differently.
func allSeries() []series {
	return []series{
		{version: "5.10", suites: []string{"bullseye-security", "bullseye"}, coarse: true},
		{version: "6.1", suites: []string{"bookworm-security", "bookworm"}, required: true},
		{version: "6.12", suites: []string{"bookworm-security", "trixie-security", "trixie"}, required: true},
		{version: "6.16", suites: []string{"trixie-backports"}},
		{version: "6.18", suites: []string{"trixie-backports"}},
		{version: "7.2", suites: []string{"forky", "sid"}},
		{version: "7.3", suites: []string{"trixie-backports", "sid"}},
	}
}

// flavour ends the releases of the kernel for virtual machines of clouds.
const flavour = "-cloud-amd64"

// releases returns the releases of a series among names of packages, linux-image-<release>, the
// newest first.
func (s series) releases(packages []string) []string {
	var found []string
	for _, name := range packages {
		release, ok := strings.CutPrefix(name, "linux-image-")
		if !ok || !strings.HasSuffix(release, flavour) {
			continue
		}
		// What follows the version is the rest of a version: not that of a meta-package, nor of 6.12 for 6.1.
		rest, ok := strings.CutPrefix(release, s.version+".")
		if ok && rest[0] >= '0' && rest[0] <= '9' {
			found = append(found, release)
		}
	}
	slices.SortFunc(found, func(a, b string) int { return -compareReleases(a, b) })
	return slices.Compact(found)
}

var digits = regexp.MustCompile(`[0-9]+`)

// compareReleases orders releases by the numbers in them, and then as texts.
func compareReleases(a, b string) int {
	numbers := func(release string) []int {
		var out []int
		for _, text := range digits.FindAllString(strings.TrimSuffix(release, flavour), -1) {
			n, _ := strconv.Atoi(text) // too large a number is the largest, which is well
			out = append(out, n)
		}
		return out
	}
	return cmp.Or(slices.Compare(numbers(a), numbers(b)), strings.Compare(a, b))
}
