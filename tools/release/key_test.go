package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is wrong with a key is said before cosign is built, which takes minutes.
func TestCheckKey(t *testing.T) {
	key := filepath.Join(t.TempDir(), "a.key")
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(passwordEnv, "")
	if err := os.Unsetenv(passwordEnv); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"none.key": "-key: stat none.key: no such file or directory: name a key that `cosign generate-key-pair` has written",
		key:        "COSIGN_PASSWORD is not set",
	} {
		r := newRelease(t)
		r.Key = name
		var progress strings.Builder
		if err := r.build(t.Context(), &progress); err == nil || !strings.Contains(err.Error(), want) || progress.Len() > 0 {
			t.Errorf("%s: the error is %v after %q; want %q", name, err, progress.String(), want)
		}
	}
	for _, uri := range []string{"awskms:///alias/a", "env://KEY", "pkcs11:token=a"} {
		if err := (&Release{Key: uri}).checkKey(); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}
