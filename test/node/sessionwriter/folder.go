//go:build linux

package main

import (
	"errors"
	"io"
	"os"
)

// batch is how many names are held at a time: a folder of some hundred thousand takes no more memory than a small one.
const batch = 1024

// eachName calls do with the open folder and each name in it, in no order, until one returns an error. do may remove
// what it is called with.
func eachName(dir string, do func(dir int, name string) error) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	fd := int(f.Fd())
	for {
		names, err := f.Readdirnames(batch)
		for _, name := range names {
			if err := do(fd, name); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
