package docs_test

import (
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// compare wants a row of reference/server.md for each name, and a name for each of the rows that begin so.
func compare(t *testing.T, what, prefix string, names []string, least int) {
	t.Helper()
	if len(names) < least {
		t.Errorf("only %d were found of what is a %s: fix this test", len(names), what)
	}
	page := rows(read(t, "reference/server.md"))
	for _, name := range names {
		if _, found := page[name]; !found {
			t.Errorf("reference/server.md has no row for the %s %s: add one", what, name)
		}
	}
	for name := range page {
		if prefix != "" && strings.HasPrefix(name, prefix) && !slices.Contains(names, name) {
			t.Errorf("reference/server.md has a row for the %s %s, which does not exist: remove it", what, name)
		}
	}
}

// Each flag of the server has a row in reference/server.md, and each row a flag. The defaults are looked at
// in cmd/shmkeeper, which can make the flags.
func TestServerPage_EachFlag(t *testing.T) {
	var names []string
	inspect(source(t, "../cmd/shmkeeper"), func(call *ast.CallExpr) {
		if strings.HasSuffix(function(call), "Var") && len(call.Args) == 4 {
			if name, ok := unquoted(call.Args[1]); ok {
				names = append(names, "--"+name)
			}
		}
	})
	compare(t, "flag", "--", names, 20)
}

// Each flag that a page or a message of the server names is one.
func TestServerPage_NoUnknownFlag(t *testing.T) {
	flags := rows(read(t, "reference/server.md"))
	// These are not the server's.
	other := []string{
		"--all", "--build-arg", "--clusterrole", "--create-namespace", "--field-selector", "--for", "--force-conflicts", "--group", "--help", "--ignore-not-found", "--image", "--overwrite", "--platform", "--push",
		"--serviceaccount", "--set", "--show-managed-fields", "--tag", "--take-ownership", "--timeout",
	}
	flag := regexp.MustCompile(`(?:^|[^-\w])(--[a-z][a-z-]*)`)
	check := func(where, in string) {
		for _, match := range flag.FindAllStringSubmatch(in, -1) {
			if _, found := flags[match[1]]; !found && !slices.Contains(other, match[1]) {
				t.Errorf("%s names the flag %s, which the server does not have", where, match[1])
			}
		}
	}
	for _, page := range []string{"how-to/install.md", "reference/server.md"} {
		check(page, read(t, page))
	}
	for _, folder := range []string{"../certs", "../cmd/shmkeeper", "../internal/audit/scan", "../internal/cluster", "../internal/policystatus", "../internal/webhookconfig", "../internal/workloadevents", "../webhook"} {
		inspect(source(t, folder), func(literal *ast.BasicLit) {
			if value, ok := unquoted(literal); ok {
				check(folder, value)
			}
		})
	}
}

// Each metric has a row in reference/server.md that names its labels, and each row a metric.
func TestServerPage_EachMetric(t *testing.T) {
	const prefix = "shmkeeper_"
	page := rows(read(t, "reference/server.md"))
	var names []string
	for _, folder := range []string{"../certs", "../cmd/shmkeeper", "../internal/audit/scan", "../internal/cluster", "../internal/policystatus", "../internal/usage/monitor", "../internal/webhookconfig", "../internal/workloadevents", "../webhook"} {
		inspect(source(t, folder), func(literal *ast.BasicLit) {
			if name, ok := unquoted(literal); ok && strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		})
		inspect(source(t, folder), func(call *ast.CallExpr) {
			if name, labels := metric(call); strings.HasPrefix(name, prefix) {
				row, _, _ := strings.Cut(page[name], "|")
				if want := strings.Join(labels, "`, `"); strings.Trim(row, " `") != want {
					t.Errorf("reference/server.md gives the metric %s the labels %s, not `%s`: fix its row", name, row, want)
				}
			}
		})
	}
	compare(t, "metric", prefix, names, 7)
}

// metric returns the name of the metric that a call makes, and its labels.
func metric(call *ast.CallExpr) (name string, labels []string) {
	if !strings.HasPrefix(function(call), "New") {
		return "", nil
	}
	for _, arg := range call.Args {
		if value, ok := unquoted(arg); ok && name == "" {
			name = value // of a description
		}
		literal, ok := arg.(*ast.CompositeLit)
		if !ok {
			continue
		}
		for _, element := range literal.Elts {
			if label, ok := unquoted(element); ok {
				labels = append(labels, label)
			}
			if field, ok := element.(*ast.KeyValueExpr); ok && name == "" {
				name, _ = unquoted(field.Value) // of options, where it stands first
			}
		}
	}
	return name, labels
}

// Each key of an audit annotation has a row in reference/server.md.
func TestServerPage_EachAuditAnnotation(t *testing.T) {
	files := source(t, "../webhook")
	var keys []string
	add := func(e ast.Expr) {
		if key, ok := unquoted(e); ok {
			keys = append(keys, key)
		}
	}
	literals := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				add(n.Key)
			case *ast.IndexExpr: // an assignment to a map
				add(n.Index)
			}
			return true
		})
	}
	inspect(files, func(f *ast.FuncDecl) {
		if f.Name.Name == "annotations" {
			literals(f.Body)
		}
	})
	inspect(files, func(call *ast.CallExpr) {
		switch function(call) {
		case "allow", "patch", "deny":
			literals(call)
		}
	})
	compare(t, "audit annotation", "", keys, 7)
}

// Each check of health and readiness has a row in reference/server.md, with its path.
func TestServerPage_EachHealthCheck(t *testing.T) {
	page := rows(read(t, "reference/server.md"))
	var names []string
	inspect(source(t, "../cmd/shmkeeper"), func(call *ast.CallExpr) {
		path, found := map[string]string{"AddHealthzCheck": "/healthz", "AddReadyzCheck": "/readyz"}[function(call)]
		if !found {
			return
		}
		name, ok := unquoted(call.Args[0])
		if !ok {
			t.Fatal("a check has no literal for its name: fix this test")
		}
		names = append(names, name)
		if !strings.HasPrefix(page[name], " `"+path+"` |") {
			t.Errorf("reference/server.md does not say that the check %s is at %s: fix its row", name, path)
		}
	})
	compare(t, "check", "", names, 5)
}

// Each form of a message that a client gets from a webhook stands in reference/server.md, but for what is put
// into it. The sentences about a Pod are the engine's, and so are those about what a policy gives.
func TestServerPage_EachMessage(t *testing.T) {
	var nodes []ast.Node
	for _, file := range source(t, "../webhook") {
		nodes = append(nodes, file)
	}
	inspect(append(source(t, "../policy"), source(t, "../policy/sizing")...), func(f *ast.FuncDecl) {
		if slices.Contains([]string{"Details", "Sentence", "SizeWarning", "Shortfall"}, f.Name.Name) {
			nodes = append(nodes, f.Body)
		}
	})
	page := read(t, "reference/server.md")
	verb := regexp.MustCompile(`"?%[a-z]"?`)
	n := 0
	for _, node := range nodes {
		help := map[ast.Node]bool{} // of metrics
		ast.Inspect(node, func(node ast.Node) bool {
			if field, ok := node.(*ast.KeyValueExpr); ok {
				if key, ok := field.Key.(*ast.Ident); ok && key.Name == "Help" {
					help[field.Value] = true
				}
			}
			literal, ok := node.(*ast.BasicLit)
			if !ok || help[literal] {
				return true
			}
			message, ok := unquoted(literal)
			if !ok || !strings.Contains(message, " ") {
				return true
			}
			n++
			for _, part := range verb.Split(strings.ReplaceAll(message, "%%", "%"), -1) {
				if part = strings.Trim(part, " "); len(part) > 3 && !strings.Contains(page, part) {
					t.Errorf("reference/server.md does not have %q of the message %q: add it", part, message)
				}
			}
			return true
		})
	}
	if n < 25 {
		t.Errorf("only %d messages were found: fix this test", n)
	}
}

// Each event that the server records has a row in reference/server.md, and each row an event.
func TestServerPage_EachEvent(t *testing.T) {
	var sent []string
	inspect(source(t, "../internal/webhookconfig"), func(call *ast.CallExpr) {
		if function(call) == "recordEvent" {
			reason, ok := unquoted(call.Args[2])
			if !ok {
				t.Fatal("an event has no literal for its reason: fix this test")
			}
			sent = append(sent, reason)
		}
	})
	inspect(source(t, "../certs"), func(literal *ast.CompositeLit) {
		if name, ok := literal.Type.(*ast.Ident); ok && name.Name == "rotationEvent" && len(literal.Elts) > 0 {
			if reason, ok := unquoted(literal.Elts[0]); ok {
				sent = append(sent, reason)
			}
		}
	})
	for _, folder := range []string{"../internal/audit/scan", "../webhook"} {
		inspect(source(t, folder), func(value *ast.ValueSpec) {
			if len(value.Names) == 1 && strings.HasPrefix(value.Names[0].Name, "Reason") {
				if reason, ok := unquoted(value.Values[0]); ok {
					sent = append(sent, reason)
				}
			}
		})
	}
	_, section, _ := strings.Cut(read(t, "reference/server.md"), "## Events\n")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := slices.Sorted(maps.Keys(rows(section)))
	slices.Sort(sent)
	if diff := cmp.Diff(slices.Compact(sent), documented); diff != "" || len(sent) < 10 {
		t.Errorf("events (-sent +reference/server.md):\n%s", diff)
	}
}
