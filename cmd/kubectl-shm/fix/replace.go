package fix

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
)

// replace puts another content into a file, whole or not at all. It fails if the file is not as it was
// read. A symbolic link stays one, and what it leads to is replaced.
func replace(file string, before, after []byte) (err error) {
	defer func() {
		if err != nil {
			err = &manifest.Error{Source: file, Problem: "cannot be written: " + err.Error(), Remedy: "check that you may write it and its directory"}
		}
	}()
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	now, err := os.ReadFile(target)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, before) {
		return errors.New("it has changed since it was read")
	}
	temp, err := os.CreateTemp(filepath.Dir(target), ".shm-fix-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // there is none once it is renamed
	_, err = temp.Write(after)
	if err == nil {
		err = temp.Chmod(info.Mode().Perm())
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", temp.Name(), err)
	}
	return os.Rename(temp.Name(), target)
}
