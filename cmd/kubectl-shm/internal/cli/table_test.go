package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() *Table {
	t := &Table{Columns: []Column{{Name: "NAME"}, {Name: "PODS", Right: true}, {Name: "POLICY", Wide: true}, {Name: "DETAIL"}}}
	t.Add("web", "5", "p", "needs 256Mi at /dev/shm and mounts nothing")
	t.Add("größer", "1200", "", `says "no", twice`)
	return t
}

func TestTable_FitsTheTerminal(t *testing.T) {
	for name, c := range map[string]struct {
		wide  bool
		width int
		want  string
	}{
		"no terminal": {false, 0, `
NAME    PODS  DETAIL
web        5  needs 256Mi at /dev/shm and mounts nothing
größer  1200  says "no", twice
`},
		"forty columns": {false, 40, `
NAME    PODS  DETAIL
web        5  needs 256Mi at /dev/shm a…
größer  1200  says "no", twice
`},
		"ten columns, of which the last gets more": {false, 10, `
NAME    PODS  DETAIL
web        5  needs 256Mi at /dev/shm…
größer  1200  says "no", twice
`},
		"wide": {true, 40, `
NAME    PODS  POLICY  DETAIL
web        5  p       needs 256Mi at /dev/shm and mounts nothing
größer  1200  -       says "no", twice
`},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			sample().Write(&b, c.wide, c.width)
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), b.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTable_CSV(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	want := "name,pods,policy,detail\nweb,5,p,needs 256Mi at /dev/shm and mounts nothing\ngrößer,1200,,\"says \"\"no\"\", twice\"\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
