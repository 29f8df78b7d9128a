package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

const head = `# Command line

Every command of ` + "`kubectl shm`" + ` and every flag. ` + "`make generate`" + ` writes this page from the same texts
as ` + "`--help`" + `, and a [release](../how-to/release.md) has man pages of the same. Without kubectl the
program is ` + "`kubectl-shm`" + `.
`

// renderPage returns the page about verbs that need no cluster and verbs that ask one.
func renderPage(offline, online []cli.Verb) string {
	root := cli.Root(cli.Streams{}, slices.Concat(offline, online))
	var out strings.Builder
	out.WriteString(head)
	writeList(&out, "These need no cluster:", offline)
	writeList(&out, "These ask one, with your own rights:", online)
	for _, cmd := range root.Commands() {
		writeCommand(&out, cmd)
	}
	return out.String()
}

// writeList writes a table of commands that links to their sections.
func writeList(out *strings.Builder, what string, list []cli.Verb) {
	out.WriteString("\n" + what + "\n\n| command | |\n|---|---|\n")
	root := cli.Root(cli.Streams{}, list)
	for _, cmd := range root.Commands() {
		anchor := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		fmt.Fprintf(out, "| [`%s`](#%s) | %s |\n", cmd.Name(), anchor, escape.Replace(cmd.Short))
	}
}

// writeCommand writes the section of a command, and those of the commands below it.
func writeCommand(out *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(out, "\n## %s\n\n", cmd.CommandPath())
	if cmd.Runnable() {
		fmt.Fprintf(out, "```text\n%s\n```\n\n", cmd.UseLine())
	}
	long := cmd.Long
	if long == "" {
		long = cmd.Short
	}
	out.WriteString(markUp(strings.TrimSuffix(long, ".")+".", fenced) + "\n")
	if cmd.Flags().HasAvailableFlags() {
		out.WriteString("\n| flag | default | |\n|---|---|---|\n")
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && f.Deprecated == "" {
				writeFlag(out, f)
			}
		})
	}
	if cmd.Example != "" {
		fmt.Fprintf(out, "\n```sh\n%s\n```\n", unindent(cmd.Example))
	}
	for _, sub := range cmd.Commands() {
		writeCommand(out, sub)
	}
}

func writeFlag(out *strings.Builder, f *pflag.Flag) {
	name := "`--" + f.Name
	if f.Shorthand != "" {
		name = "`-" + f.Shorthand + "`, " + name
	}
	value, usage := pflag.UnquoteUsage(f)
	if value != "" {
		name += " " + value
	}
	standard := ""
	if !slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
		standard = "`" + f.DefValue + "`"
	}
	fmt.Fprintf(out, "| %s` | %s | %s |\n", name, standard, strings.ReplaceAll(escape.Replace(usage), "|", `\|`))
}

// unindent removes the indentation of the first line from all.
func unindent(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		out = append(out, strings.TrimPrefix(strings.TrimRight(line, "\n"), "  "))
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}
