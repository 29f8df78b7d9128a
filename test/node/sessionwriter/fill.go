//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
)

// fill creates the files that the flags ask for, all or an error.
func fill(args []string, errOut io.Writer) error {
	flags := flag.NewFlagSet("sessionwriter fill", flag.ContinueOnError)
	flags.SetOutput(errOut)
	var b batchOfFiles
	var dir string
	flags.Int64Var(&b.Count, "count", 0, "number of files")
	flags.Int64Var(&b.Size, "size", 0, "bytes of each file")
	flags.StringVar(&dir, "dir", "", "folder of the files")
	flags.StringVar(&b.Name, "name", "long", "short (12 characters) or long (60)")
	flags.StringVar(&b.Prefix, "prefix", "file", "beginning of the names; session_ makes them count as sessions")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return usageError{fmt.Errorf("%w: see --help for the flags", err)}
	case flags.NArg() > 0:
		return usageError{fmt.Errorf("%q is not a flag: see --help for the flags", flags.Arg(0))}
	case dir == "":
		return usageError{errors.New("dir: \"\" is not a folder: name the one to write to")}
	}
	if err := b.validate(); err != nil {
		return usageError{err}
	}
	created, err := (&fileMaker{dir: dir}).create(context.Background(), b)
	if err != nil {
		return fmt.Errorf("after %d of %d files: %w", created, b.Count, err)
	}
	fmt.Fprintf(errOut, "%d files of %d bytes in %s\n", created, b.Size, dir)
	return nil
}
