package kernels

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSeries_Releases(t *testing.T) {
	packages := []string{
		"linux-image-cloud-amd64",                     // a meta-package
		"linux-image-6.1-cloud-amd64",                 // a meta-package
		"linux-image-6.1.0-9-cloud-amd64",             // older than -56, though not as a text
		"linux-image-6.1.0-56-cloud-amd64",            //
		"linux-image-6.1.0-56-cloud-amd64-unsigned",   // not signed
		"linux-image-6.1.0-56-amd64",                  // for all machines
		"linux-image-6.1.0-0.deb11.52-cloud-amd64",    // older
		"linux-image-6.12.117+deb12-cloud-amd64",      // of another series
		"linux-image-6.12.90+deb12-cloud-amd64",       //
		"linux-image-6.12.90+deb12.1-cloud-amd64",     // newer than the one before
		"linux-image-6.12.rc7-cloud-amd64",            // not a release
		"linux-headers-6.12.117+deb12-cloud-amd64",    // no image
		"linux-binary-7.3.4+deb13-cloud-amd64",        // no image by name
		"linux-image-5.10.0-46-cloud-amd64-dbg",       // symbols
		"linux-image-6.12.117+deb12-cloud-amd64",      // twice
		"linux-image-unsigned-6.1.0-56-cloud-amd64",   //
		"linux-image-6.1.0-56-cloud-arm64",            // another architecture
		"linux-image-16.1.0-56-cloud-amd64",           // not 6.1
		"linux-image-6.100.0+deb99-cloud-amd64",       // not 6.1 either
		"linux-image-6.1.0-10-cloud-amd64",            //
		"linux-image-rt-6.1.0-56-cloud-amd64-vmlinuz", //
	}
	for version, want := range map[string][]string{
		"6.1":  {"6.1.0-56-cloud-amd64", "6.1.0-10-cloud-amd64", "6.1.0-9-cloud-amd64", "6.1.0-0.deb11.52-cloud-amd64"},
		"6.12": {"6.12.117+deb12-cloud-amd64", "6.12.90+deb12.1-cloud-amd64", "6.12.90+deb12-cloud-amd64"},
		"7.3":  nil,
	} {
		if diff := cmp.Diff(want, (series{version: version}).releases(packages)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", version, diff)
		}
	}
}

func TestSelectGuests(t *testing.T) {
	all := []series{{version: "6.1"}, {version: "6.12"}}
	for pattern, want := range map[string]string{
		"":                        "6.1 6.1+selinux 6.12 6.12+selinux",
		`^6\.12`:                  "6.12 6.12+selinux",
		`selinux`:                 "6.1+selinux 6.12+selinux",
		`^(6\.1|6\.12\+selinux)$`: "6.1 6.12+selinux",
		`^7`:                      `KERNELS: "^7" matches none of 6.1, 6.1+selinux, 6.12, 6.12+selinux: give a regular expression that does`,
		"(": "KERNELS: \"(\" is not a regular expression: " +
			"error parsing regexp: missing closing ): `(`: give one such as ^6\\.1",
	} {
		guests, err := selectGuests(all, pattern)
		names := make([]string, 0, len(guests))
		for _, g := range guests {
			names = append(names, g.name())
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q selects %s, want %s", pattern, got, want)
		}
	}
}

func TestAllSeries_HaveSuites(t *testing.T) {
	required := 0
	for _, s := range allSeries() {
		if len(s.suites) == 0 {
			t.Errorf("%s: no suite of Debian", s.version)
		}
		for _, suite := range s.suites {
			if !isDebian(suite) {
				t.Errorf("%s: %q is not a suite of Debian", s.version, suite)
			}
		}
		if s.required {
			required++
		}
	}
	if required < 2 {
		t.Errorf("only %d kernels are required", required)
	}
}
