//go:build !linux

package main

import "errors"

func apart(int) (undo func() error, err error) {
	return nil, errors.New("which processor a server runs on can be chosen on Linux only")
}
