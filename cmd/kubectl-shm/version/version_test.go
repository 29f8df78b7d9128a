package version

import (
	"regexp"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

func TestVersion(t *testing.T) {
	got := shm("", "version")
	want := regexp.MustCompile(`^kubectl-shm  \S.*\ngo           go1\.\S+\nAPI          shmkeeper\.dev/v1alpha1\n$`)
	if got.Code != cli.ExitOK || got.ErrOut != "" || !want.MatchString(got.Out) {
		t.Errorf("got %+v", got)
	}
}
