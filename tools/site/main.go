// Command site writes the documentation as a static web site: the pages of docs, and those at the root of the
// repository that are for users.
//
//	site -root . -out out/site
//
// A link that leads nowhere, an anchor or a picture that is not there, and a page that no other leads to are errors.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
}

func run(args []string, progress io.Writer) error {
	f := flag.NewFlagSet("site", flag.ContinueOnError)
	root := f.String("root", ".", "the folder of the repository")
	out := f.String("out", "out/site", "the folder to write; what is in it is replaced")
	repository := f.String("repository", "https://github.com/shmkeeper/shmkeeper", "the URL of the repository, for links to files that are not pages")
	if err := f.Parse(args); err != nil {
		return err
	}
	if len(f.Args()) > 0 {
		return fmt.Errorf("unexpected argument %q: write the folder as -out %s", f.Arg(0), f.Arg(0))
	}
	site, err := read(os.DirFS(*root), *repository)
	if err != nil {
		return fmt.Errorf("-root: %w", err)
	}
	files, err := site.render()
	if err != nil {
		return err
	}
	if err := check(files); err != nil {
		return err
	}
	if err := write(*out, files); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	fmt.Fprintf(progress, "%d pages are in %s: open %s/index.html\n", len(site.pages), *out, *out)
	return nil
}
