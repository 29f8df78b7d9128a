package policy_test

import (
	"testing"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

func TestParseMirrors(t *testing.T) {
	const wrong = ": must be MIRROR=REPOSITORY, both beginning with a registry's host: write for example harbor.local/ghcr=ghcr.io"
	for _, c := range []struct {
		entries []string
		want    string // the error; empty for none
	}{
		{nil, ""},
		{[]string{"harbor.local/ghcr=ghcr.io"}, ""},
		{[]string{"harbor.local/ghcr/=ghcr.io/team/", "localhost:5000=docker.io"}, ""},
		{[]string{"harbor.local/ghcr"}, `image mirror "harbor.local/ghcr"` + wrong},
		{[]string{"harbor/ghcr=ghcr.io"}, `image mirror "harbor/ghcr=ghcr.io"` + wrong},
		{[]string{"harbor.local/ghcr=ghcr"}, `image mirror "harbor.local/ghcr=ghcr"` + wrong},
		{[]string{"=ghcr.io"}, `image mirror "=ghcr.io"` + wrong},
		{[]string{"harbor.local="}, `image mirror "harbor.local="` + wrong},
		{[]string{"harbor.local/*=ghcr.io"}, `image mirror "harbor.local/*=ghcr.io"` + wrong},
		{[]string{"harbor.local=ghcr.io/a?"}, `image mirror "harbor.local=ghcr.io/a?"` + wrong},
		{[]string{"harbor.local=ghcr.io/a@b"}, `image mirror "harbor.local=ghcr.io/a@b"` + wrong},
		{[]string{"harbor.local = ghcr.io"}, `image mirror "harbor.local = ghcr.io"` + wrong},
		{[]string{"harbor.local//a=ghcr.io"}, `image mirror "harbor.local//a=ghcr.io"` + wrong},
		{[]string{"harbor.local=ghcr.io//a"}, `image mirror "harbor.local=ghcr.io//a"` + wrong},
		{
			[]string{"harbor.local=ghcr.io", "other.local=ghcr.io", "HARBOR.local:443=quay.io"},
			`image mirror "HARBOR.local:443=quay.io": "harbor.local" is given twice: remove one of them`,
		},
	} {
		_, err := policy.ParseMirrors(c.entries)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: error %s, want %s", c.entries, got, c.want)
		}
	}
}

// An image below a mirror counts as what it mirrors, by the most specific mirror.
func TestSet_WithImageMirrors(t *testing.T) {
	mirrors, err := policy.ParseMirrors([]string{"harbor.local=docker.io", "harbor.local/ghcr=ghcr.io", "harbor.local/g=quay.io"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		glob, image string
		want        bool
	}{
		{"ghcr.io/team/app", "harbor.local/ghcr/team/app:1", true},
		{"ghcr.io/team/app", "HARBOR.local:443/ghcr/team/app:1", true},
		{"ghcr.io/team/app", "ghcr.io/team/app", true},
		{"harbor.local/ghcr/team/app", "harbor.local/ghcr/team/app", false},
		{"nginx", "harbor.local/library/nginx", true},
		{"nginx", "harbor.local/nginx", true},
		{"docker.io/ghcrx/app", "harbor.local/ghcrx/app", true}, // the mirror is not a prefix of letters
		{"docker.io/library/ghcr", "harbor.local/ghcr", true},   // nor is an image below itself
		{"harbor.localhost/app", "harbor.localhost/app", true},
		{"quay.io/app", "harbor.local/g/app", true},
	} {
		source := readPolicy(t, "{match: [{images: ['"+c.glob+"']}], sizing: {fixed: {size: 256Mi}}}")
		set := policy.NewSet(mustCompile(t, source)).WithImageMirrors(mirrors)
		e := set.Evaluate(subjectOf(policytest.ParsePod("{spec: {containers: [{name: web, image: '" + c.image + "'}]}}")))
		if got := e.Outcome != policy.NotMatched; got != c.want {
			t.Errorf("%s matches %s: %t, want %t", c.glob, c.image, got, c.want)
		}
	}
}
