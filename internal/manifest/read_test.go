package manifest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead_SplitsAsKubectlDoes(t *testing.T) {
	cases := map[string]struct {
		in   string
		want []string // line, then content
	}{
		"an empty stream has no documents":                               {in: ""},
		"white space is a document without content":                      {in: "\n \n", want: []string{"1:\n \n"}},
		"a comment before the separator belongs to the document behind":  {in: "# licence\n---\na: 1\n", want: []string{"3:a: 1\n"}},
		"an empty document between two separators is kept":               {in: "---\n# none\n---\na: 1\n", want: []string{"2:# none\n", "4:a: 1\n"}},
		"a separator may carry a comment":                                {in: "a: 1\n--- # next\nb: 2", want: []string{"1:a: 1\n", "3:b: 2"}},
		"a separator may carry white space":                              {in: "a: 1\n---\t \nb: 2\n", want: []string{"1:a: 1\n", "3:b: 2\n"}},
		"a separator at the end opens an empty document":                 {in: "a: 1\n---\n", want: []string{"1:a: 1\n", "3:"}},
		"Windows line ends are kept":                                     {in: "a: 1\r\n---\r\nb: 2\r\n", want: []string{"1:a: 1\r\n", "3:b: 2\r\n"}},
		"a byte order mark is not content":                               {in: "\ufeffa: 1\n", want: []string{"1:a: 1\n"}},
		"a byte order mark may stand before a separator":                 {in: "\ufeff---\na: 1\n", want: []string{"2:a: 1\n"}},
		"directives belong to the document behind them":                  {in: "%YAML 1.2\n---\na: 1\n", want: []string{"3:a: 1\n"}},
		"an end marker ends a document":                                  {in: "a: 1\n...\n# tail\n---\nb: 2\n... # end\n", want: []string{"1:a: 1\n", "5:b: 2\n"}},
		"directives may follow an end marker":                            {in: "a: 1\n...\n%YAML 1.1\n---\nb: 2\n", want: []string{"1:a: 1\n", "5:b: 2\n"}},
		"an indented separator within a block scalar does not separate":  {in: "a: |\n  x\n  ---\n  y\nb: 2\n", want: []string{"1:a: |\n  x\n  ---\n  y\nb: 2\n"}},
		"a separator in the first column ends even a block scalar":       {in: "a: |\n  x\n---\nb: 2\n", want: []string{"1:a: |\n  x\n", "4:b: 2\n"}},
		"JSON values that follow each other are documents of their own":  {in: "{\"a\":1}\n{\"b\":\n2} {\"c\":3}\n", want: []string{"1:{\"a\":1}\n", "2:{\"b\":\n2} ", "3:{\"c\":3}\n"}},
		"JSON values may be separated like YAML":                         {in: "{\"a\":1}\n---\n{\"b\":2}", want: []string{"1:{\"a\":1}\n", "3:{\"b\":2}"}},
		"flow style YAML is one document even where it looks like JSON":  {in: "{a: 1}\n{b: 2}\n", want: []string{"1:{a: 1}\n{b: 2}\n"}},
		"a line of three dots with text behind it is not an end marker":  {in: "a: >\n  x\n...y\n", want: []string{"1:a: >\n  x\n...y\n"}},
		"an end marker alone is a document without content":              {in: "...\n", want: []string{"1:"}},
		"a JSON value keeps the end marker behind it out of its content": {in: "{}\n...\n", want: []string{"1:{}\n"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			docs, err := Read(strings.NewReader(c.in), "in.yaml")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, d := range docs {
				got = append(got, fmt.Sprintf("%d:%s", d.line, d.raw[d.from:d.to]))
				if d.Index != i+1 {
					t.Errorf("document %d has the index %d", i+1, d.Index)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("documents (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.in, written(t, docs)); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRead_Refuses(t *testing.T) {
	cases := map[string]struct{ in, want string }{
		"content on the line of a separator":      {"a: 1\n--- {b: 2}\n", `in.yaml:2: "--- {b: 2}" is not a document separator: nothing but a comment may follow "---": put the rest on the next line`},
		"a dash too many":                         {"----\n", `in.yaml:1: "----" is not a document separator: nothing but a comment may follow "---": put the rest on the next line`},
		"content behind an end marker":            {"a: 1\n...\nb: 2\n", `in.yaml:3: content follows the end marker "..."; kubectl would leave it out: put "---" before it`},
		"a directive without a document":          {"%YAML 1.2\na: 1\n", `in.yaml:1: a "%" directive has no document: put "---" on the line behind it`},
		"UTF-16":                                  {"\xff\xfea\x00", "in.yaml:1: is UTF-16: convert the file to UTF-8"},
		"a document longer than any that is read": {"a: 1\n---\n" + strings.Repeat("# long\n", MaxDocumentBytes/7+1), "in.yaml:3: the document is 16777226 bytes long, more than 16777216: split it"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Read(strings.NewReader(c.in), "in.yaml")
			if diff := cmp.Diff(c.want, text(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRead_Budget(t *testing.T) {
	_, _, err := read(strings.NewReader("a: 1\n"), "in.yaml", 4)
	if diff := cmp.Diff("in.yaml: the input is longer than 268435456 bytes: give less at a time", text(err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestReadPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{
		"dir/b.yml": "b: 1\n", "dir/a.yaml": "a: 1\n", "dir/c.json": "{\"c\":1}", "dir/readme.txt": "x", "dir/sub/d.yaml": "d: 1\n", "bare/readme.txt": "x",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("sub", "dir/link.yaml"); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		paths     []string
		recursive bool
		want      []string
		err       string
	}{
		"a directory gives its manifests in the order of their names": {paths: []string{"dir"}, want: []string{"dir/a.yaml", "dir/b.yml", "dir/c.json"}},
		"a directory gives those below it where that is asked for":    {paths: []string{"dir"}, recursive: true, want: []string{"dir/a.yaml", "dir/b.yml", "dir/c.json", "dir/sub/d.yaml"}},
		"files and stdin come in the order given":                     {paths: []string{"dir/b.yml", "-", "dir/a.yaml"}, want: []string{"dir/b.yml", "stdin", "dir/a.yaml"}},
		"a file is read whatever it is called":                        {paths: []string{"dir/readme.txt"}, want: []string{"dir/readme.txt"}},
		"a path that is not there is an error":                        {paths: []string{"dir", "gone.yaml"}, err: "gone.yaml: there is no such file or directory: check the path"},
		"a directory without manifests is an error":                   {paths: []string{"bare"}, err: "bare: the directory has no *.yaml, *.yml or *.json file: name a directory that has some, or read it recursively"},
		"a directory without manifests is an error recursively too":   {paths: []string{"bare"}, recursive: true, err: "bare: the directory has no *.yaml, *.yml or *.json file: name a directory that has some"},
		"stdin cannot be read twice":                                  {paths: []string{"-", "-"}, err: `stdin: is given twice: give "-" once`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			docs, err := ReadPaths(c.paths, c.recursive, strings.NewReader("s: 1\n"))
			if diff := cmp.Diff(c.err, text(err)); diff != "" {
				t.Fatalf("error (-want +got):\n%s", diff)
			}
			var got []string
			for _, d := range docs {
				got = append(got, d.Source)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
		})
	}
}

// What cannot be read, or is left out, keeps nothing else from being read.
func TestReader_GoesOn(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{"a.yaml": "a: 1\n", "b.yaml": "--- b\n", "c.yaml": "c: 1\n", "d.yaml": "d: 1\n"} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nowhere", "e.yaml"); err != nil {
		t.Fatal(err)
	}
	r := Reader{Leave: func(files []string) []string {
		return slices.DeleteFunc(files, func(file string) bool { return file == "d.yaml" })
	}}
	docs, err := r.Read([]string{"gone.yaml", ".", "a.yaml"})
	want := `gone.yaml: there is no such file or directory: check the path
e.yaml: there is no such file or directory: check the path
b.yaml:1: "--- b" is not a document separator: nothing but a comment may follow "---": put the rest on the next line`
	if diff := cmp.Diff(want, text(err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	var got []string
	for _, d := range docs {
		got = append(got, d.Source)
	}
	if diff := cmp.Diff([]string{"a.yaml", "c.yaml", "a.yaml"}, got); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func TestDocument_IsOther(t *testing.T) {
	for text, want := range map[string]bool{
		"a: 1\n": true, "- a\n": true, "text\n": true, "{\"a\": 1}": true,
		"": false, "# nothing\n": false, "kind: Pod\n": false, "apiVersion: v1\n": false, "a: {\n": false,
	} {
		docs, err := Read(strings.NewReader(text), "in.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			if got := d.IsOther(); got != want {
				t.Errorf("%q: got %t, want %t", text, got, want)
			}
		}
	}
}

func TestWrite_JoinsSources(t *testing.T) {
	cases := map[string]struct {
		in   []string
		want string
	}{
		"a separator is put between two files":                                    {[]string{"a: 1\n", "b: 2\n"}, "a: 1\n---\nb: 2\n"},
		"a line without its end gets one":                                         {[]string{"a: 1", "b: 2"}, "a: 1\n---\nb: 2"},
		"a separator that is there already is enough":                             {[]string{"a: 1\n", "---\nb: 2\n"}, "a: 1\n---\nb: 2\n"},
		"a comment before a separator needs no second separator":                  {[]string{"a: 1\n", "# b\n---\nb: 2\n"}, "a: 1\n# b\n---\nb: 2\n"},
		"a byte order mark goes away inside the stream":                           {[]string{"\ufeffa: 1\n", "\ufeffb: 2\n"}, "\ufeffa: 1\n---\nb: 2\n"},
		"a document with directives follows an end marker":                        {[]string{"a: 1\n", "%YAML 1.1\n---\nb: 2\n"}, "a: 1\n...\n%YAML 1.1\n---\nb: 2\n"},
		"JSON alone stays a stream of JSON":                                       {[]string{"{\"a\":1}", "{\"b\":2}{\"c\":3}\n"}, "{\"a\":1}\n{\"b\":2}{\"c\":3}\n"},
		"JSON values that were a stream are separated when YAML joins them":       {[]string{"{\"a\":1}{\"b\":2}\n", "c: 3\n"}, "{\"a\":1}\n---\n{\"b\":2}\n---\nc: 3\n"},
		"JSON values that were a stream are left alone when there is one file":    {[]string{"{\"a\":1}{\"b\":2}\n---\n{\"c\":3}"}, "{\"a\":1}{\"b\":2}\n---\n{\"c\":3}"},
		"JSON that has separators of its own is not taken for a stream of values": {[]string{"{\"a\":1}\n---\n{\"b\":2}\n", "{\"c\":3}\n"}, "{\"a\":1}\n---\n{\"b\":2}\n---\n{\"c\":3}\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var docs []*Document
			for i, in := range c.in {
				some, err := Read(strings.NewReader(in), fmt.Sprintf("%d.yaml", i))
				if err != nil {
					t.Fatal(err)
				}
				docs = append(docs, some...)
			}
			if diff := cmp.Diff(c.want, written(t, docs)); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"# x\n---\na: 1\n...\n%YAML 1.1\n---\nb: [1, {c: *x}]\n", "{\"a\":1}{\"b\":2}", "\ufeff---\r\na: 1\r\n", "a: &x [*x]\n", "<<: {a: 1}\nyes: 0o7\n",
		"kind: List\napiVersion: v1\nitems:\n- kind: Pod\n  apiVersion: v1\n  metadata: {name: x}\n", "a: |\n  ---\n ---\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		docs, err := Read(bytes.NewReader(in), "in.yaml")
		if err != nil {
			return
		}
		if diff := cmp.Diff(string(in), written(t, docs)); diff != "" {
			t.Errorf("written (-want +got):\n%s", diff)
		}
		for _, d := range docs {
			if _, err := d.Objects(); err != nil && err.Error() == "" {
				t.Error("an error says nothing")
			}
		}
	})
}

func written(t *testing.T, docs []*Document) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, docs); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
