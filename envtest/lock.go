package envtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lock takes the lock that the file stands for, among all processes, and returns what gives it back. The kernel gives it back when this
// process ends. waiting is called once if another has it.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the lock of the cache: %w; set %s to a folder that can be written to", err, cacheVariable)
	}
	unlock = func() { _ = f.Close() } // the kernel gives it back in any case
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return unlock, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			unlock()
			return nil, fmt.Errorf("the lock of the cache %q: %w; set %s to a folder on a local disk", path, err, cacheVariable)
		}
		if !told {
			waiting()
		}
		select {
		case <-ctx.Done():
			unlock()
			return nil, fmt.Errorf("the lock of the cache %q: %w; run it again when the other build is done", path, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
