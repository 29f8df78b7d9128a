package envtest

import (
	"fmt"
	"testing"
)

func TestKubernetesOf(t *testing.T) {
	for _, test := range []struct{ release, folder, err string }{
		{"", "kubernetes", "<nil>"},
		{"1.30", "kubernetes-1.30", "<nil>"},
		{"1.2", "", `SHMKEEPER_ENVTEST_RELEASE: "1.2" is not a release that a module below envtest/binaries pins: set it to 1.30, or unset it`},
		{"../download", "", `SHMKEEPER_ENVTEST_RELEASE: "../download" is not a release that a module below envtest/binaries pins: set it to 1.30, or unset it`},
	} {
		got, err := kubernetesOf(test.release, "binaries")
		if got.folder != test.folder || fmt.Sprint(err) != test.err {
			t.Errorf("%q: got %q, %v; want %q, %s", test.release, got.folder, err, test.folder, test.err)
		}
	}
}

// The shared control plane is of the release that its API server names.
func TestPrograms_Minor(t *testing.T) {
	minor, err := plane.Programs.Minor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	version, err := clientFor(t, plane.Config).Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(minor); got != version.Minor {
		t.Errorf("the program is of 1.%s, and the API server says 1.%s", got, version.Minor)
	}
}

func TestMinorOf_NotAVersion(t *testing.T) {
	for _, text := range []string{"", "Kubernetes v2.1.0", "Kubernetes v1.x.0", "Kubernetes v1.30"} {
		if minor, err := minorOf(text); err == nil {
			t.Errorf("%q: got %d; want an error", text, minor)
		}
	}
}
