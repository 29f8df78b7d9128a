package webhook

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // without one, stacks are collected for a complaint about that
	if os.Getenv(benchServer) != "" {
		os.Exit(serveBenchmark())
	}
	os.Exit(m.Run())
}
