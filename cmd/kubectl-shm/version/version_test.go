package version

import (
	"regexp"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

func TestVersion(t *testing.T) {
	got := shm("", "version")
	want := regexp.MustCompile(`^kubectl-shm  \S.*\ngo           go1\.\S+\nAPI          shmkeeper\.dev/v1alpha1\n$`)
	if got.Code != cli.ExitOK || got.ErrOut != "" || !want.MatchString(got.Out) {
		t.Errorf("got %+v", got)
	}
	if flag := shm("", "--version"); flag.Code != cli.ExitOK || !strings.HasPrefix(got.Out, strings.Replace(flag.Out, "kubectl-shm ", "kubectl-shm  ", 1)) {
		t.Errorf("--version: %+v, want the first line of %q", flag, got.Out)
	}
}
