// Command reference writes the page about the chart's values: what values.yaml and values.schema.json say of each.
//
//	reference charts/shmkeeper docs/reference/chart-values.md
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("there are %d arguments: name the folder of the chart, and the file to write", len(args))
	}
	values, err := os.ReadFile(filepath.Join(args[0], "values.yaml"))
	if err != nil {
		return err
	}
	types, err := os.ReadFile(filepath.Join(args[0], "values.schema.json"))
	if err != nil {
		return err
	}
	page, err := render(values, types)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return os.WriteFile(args[1], []byte(page), 0o644) //nolint:gosec // everybody may read it
}

const head = `# Values of the Helm chart

Every value with its default. ` + "`make generate`" + ` writes this page from
[values.yaml](../../charts/shmkeeper/values.yaml); Helm refuses what
[values.schema.json](../../charts/shmkeeper/values.schema.json) does not allow. [The chart's
README](../../charts/shmkeeper/README.md) explains how the values go together, and [Install the
webhooks](../how-to/install.md#with-helm) how to begin.

| value | type | default | meaning |
|---|---|---|---|
`

// schema is what is used of a JSON schema.
type schema struct {
	Type             string
	Enum             []string
	Minimum, Maximum *int64
	Properties       map[string]schema
}

// render returns the page for a values.yaml and its schema.
func render(values, types []byte) (string, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(values, &root); err != nil {
		return "", fmt.Errorf("values.yaml: %w", err)
	}
	var s schema
	if err := json.Unmarshal(types, &s); err != nil {
		return "", fmt.Errorf("values.schema.json: %w", err)
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return "", errors.New("values.yaml: it is not a mapping: write one value in each line")
	}
	var out strings.Builder
	out.WriteString(head)
	err := write(&out, "", root.Content[0], s)
	return out.String(), err
}

// write writes a row for each value of a mapping, and for those of the mappings in it that have named values.
func write(out *strings.Builder, path string, mapping *yaml.Node, s schema) error {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := path + key.Value
		property, found := s.Properties[key.Value]
		if !found {
			return fmt.Errorf("values.schema.json has no %s, which values.yaml has: add it", name)
		}
		meaning := meaningOf(key.HeadComment)
		if len(property.Properties) > 0 && len(value.Content) > 0 {
			if meaning != "" {
				fmt.Fprintf(out, "| `%s` | | | %s |\n", name, meaning)
			}
			if err := write(out, name+".", value, property); err != nil {
				return err
			}
			continue
		}
		standard, err := defaultOf(value)
		if err != nil {
			return fmt.Errorf("values.yaml: %s: %w", name, err)
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", name, typeOf(property), standard, meaning)
	}
	return nil
}

// escape escapes what would be markup in a comment.
var escape = strings.NewReplacer(`*`, `\*`, `_`, `\_`, `<`, `\<`, `[`, `\[`, `|`, `\|`)

// page matches a page of the documentation that a comment names.
var page = regexp.MustCompile(`docs/([a-z-]+/([a-z-]+\.md))`)

// meaningOf returns a comment as text in one line.
func meaningOf(comment string) string {
	var lines []string
	for line := range strings.Lines(comment) {
		lines = append(lines, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#")))
	}
	return page.ReplaceAllString(escape.Replace(strings.Join(lines, " ")), "[$2](../$1)")
}

// typeOf returns the words that a value may be, or its type.
func typeOf(s schema) string {
	if len(s.Enum) > 0 {
		var words []string
		for _, word := range s.Enum {
			if word == "" {
				word = `""`
			}
			words = append(words, "`"+word+"`")
		}
		return strings.Join(words, ", ")
	}
	if s.Minimum != nil && s.Maximum != nil {
		return s.Type + ", " + strconv.FormatInt(*s.Minimum, 10) + " to " + strconv.FormatInt(*s.Maximum, 10)
	}
	return s.Type
}

// longest is the length of a default that still fits into a table.
const longest = 60

// defaultOf returns a value as JSON, in code, or a link if it is too long for a table.
func defaultOf(value *yaml.Node) (string, error) {
	var v any
	if err := value.Decode(&v); err != nil {
		return "", err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	if len(text) > longest {
		return "see [values.yaml](../../charts/shmkeeper/values.yaml)", nil
	}
	return "`" + string(text) + "`", nil
}
