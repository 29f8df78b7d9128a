package envtest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// childVariable makes the test program start a control plane and then end in an unusual way, for TestStart_NothingOutlivesItsParent.
const childVariable = "SHMKEEPER_ENVTEST_TEST_CHILD"

// plane is shared by the tests, each of which keeps to a namespace of its own.
var plane *ControlPlane

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		panicWithControlPlane()
	}
	os.Exit(RunTests(m, func(ctx context.Context) (stop func() error, err error) {
		begun := time.Now()
		plane, err = Start(ctx, Options{LogDir: os.Getenv("SHMKEEPER_ENVTEST_TEST_LOGS")})
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "the control plane started in %s\n", time.Since(begun).Round(time.Millisecond))
		return plane.Stop, nil
	}))
}

// eventually waits for what the control plane does in its own time.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
