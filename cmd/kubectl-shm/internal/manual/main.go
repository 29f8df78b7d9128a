// Command manual writes the reference of the command line, from the same texts as --help: a page of
// the documentation, or man pages.
//
//	manual -page docs/reference/command-line.md
//	manual -man out/man -version v0.1.0 -time 1767225600
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/verbs"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	f := flag.NewFlagSet("manual", flag.ContinueOnError)
	page := f.String("page", "", "the file to write the page of the documentation to")
	man := f.String("man", "", "the folder to write a man page of each command to")
	version := f.String("version", "", "the version that the man pages name")
	seconds := f.Int64("time", 0, "the time that the man pages name, in seconds since 1970")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *page != "" {
		if err := os.WriteFile(*page, []byte(renderPage(verbs.Offline(), verbs.Online())), 0o644); err != nil { //nolint:gosec // everybody may read it
			return fmt.Errorf("-page: %w", err)
		}
	}
	if *man != "" {
		if err := writeMan(*man, *version, time.Unix(*seconds, 0).UTC()); err != nil {
			return fmt.Errorf("-man: %w", err)
		}
	}
	return nil
}

// writeMan writes a man page of each command into a folder.
func writeMan(dir, version string, at time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // everybody may read it
		return err
	}
	root := cli.Root(cli.Streams{}, verbs.All())
	root.DisableAutoGenTag = true
	prepare(root)
	return doc.GenManTree(root, &doc.GenManHeader{
		Section: "1", Date: &at, Source: "shmkeeper " + version, Manual: "kubectl shm",
	}, dir)
}

// prepare marks up the descriptions of a command and of those below it.
func prepare(cmd *cobra.Command) {
	cmd.Long = markUp(cmd.Long, indented)
	for _, sub := range cmd.Commands() {
		prepare(sub)
	}
}
