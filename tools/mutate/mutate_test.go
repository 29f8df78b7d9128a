package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What happens to each mutant of testdata/module, as one finds out by hand.
func TestRun(t *testing.T) {
	reports := t.TempDir()
	t.Chdir("testdata/module")
	if err := run([]string{"-reports", reports, "./policy"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(reports, "policy/policy.go.json"))
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Files []struct {
			Mutations []mutant `json:"mutations"`
		} `json:"files"`
	}
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range report.Files[0].Mutations {
		got = append(got, fmt.Sprintf("%d:%d %s %s", m.Line, m.Column, m.Type, m.Status))
	}
	want := []string{
		"4:17 ARITHMETIC_BASE KILLED",         // the limit is 0
		"7:16 CONDITIONALS_BOUNDARY KILLED",   // one value too many
		"7:16 CONDITIONALS_NEGATION KILLED",   // no value
		"7:32 INCREMENT_DECREMENT KILLED",     // the index -1
		"8:20 INVERT_LOGICAL KILLED",          //
		"8:16 CONDITIONALS_BOUNDARY LIVED",    // a value of 0 adds nothing
		"8:16 CONDITIONALS_NEGATION KILLED",   //
		"8:33 CONDITIONALS_BOUNDARY KILLED",   // the value 16
		"8:33 CONDITIONALS_NEGATION KILLED",   //
		"9:4 INVERT_LOOPCTRL KILLED",          // nothing after -1
		"11:9 INVERT_ASSIGNMENTS KILLED",      //
		"11:9 REMOVE_SELF_ASSIGNMENTS KILLED", //
		"17:7 CONDITIONALS_BOUNDARY LIVED",    // both are as large
		"17:7 CONDITIONALS_NEGATION KILLED",   //
		"23:36 INVERT_BITWISE KILLED",         //
		"27:3 INCREMENT_DECREMENT KILLED",     //
		"28:3 INCREMENT_DECREMENT KILLED",     //
		"29:14 ARITHMETIC_BASE LIVED",         // n is 0
		"29:11 ARITHMETIC_BASE KILLED",        // twice
		"29:9 ARITHMETIC_BASE KILLED",         // not negative
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// A module whose tests fail kills every mutant, so nothing is tried.
func TestRun_TestsThatFail(t *testing.T) {
	module := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                "module example.com/failing\n\ngo 1.26\n",
		"policy/policy.go":      "package policy\n\nfunc more(a, b int) bool { return a > b }\n",
		"policy/policy_test.go": "package policy\n\nimport \"testing\"\n\nfunc TestMore(t *testing.T) {\n\tif more(1, 2) {\n\t\treturn\n\t}\n\tt.Error(\"no\")\n}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(module, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(module, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(module)
	if err := run([]string{"-reports", t.TempDir(), "./policy"}); err == nil {
		t.Error("no error")
	}
}
