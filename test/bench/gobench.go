package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// GoBenchmark is a line of `go test -bench`.
type GoBenchmark struct {
	Package, Name string
	Microseconds  float64 // for one operation, as are the others
	Bytes, Allocs float64
}

// runGoBenchmarks runs the benchmarks of packages of the project, those that match, and returns them
// in order. What `go test` prints goes to progress.
func runGoBenchmarks(ctx context.Context, root, match, benchtime string, packages []string, progress io.Writer) ([]GoBenchmark, error) {
	args := append([]string{"test", "-run", "^$", "-bench", match, "-benchmem", "-benchtime", benchtime}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&text, progress), progress
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return parseGoBenchmarks(text.String()), nil
}

// parseGoBenchmarks reads lines such as
//
//	BenchmarkEvaluate/matched-2   50000   2318 ns/op   912 B/op   17 allocs/op
func parseGoBenchmarks(text string) (out []GoBenchmark) {
	pkg := ""
	for line := range strings.Lines(text) {
		if path, found := strings.CutPrefix(line, "pkg: github.com/shmkeeper/shmkeeper/"); found {
			pkg = strings.TrimSpace(path)
		}
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(words[0], "Benchmark")
		if at := strings.LastIndexByte(name, '-'); at > 0 { // GOMAXPROCS
			name = name[:at]
		}
		b := GoBenchmark{Package: pkg, Name: name}
		for i := 2; i+1 < len(words); i += 2 {
			value, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				continue // what a benchmark has printed
			}
			switch words[i+1] {
			case "ns/op":
				b.Microseconds = value / 1000
			case "B/op":
				b.Bytes = value
			case "allocs/op":
				b.Allocs = value
			}
		}
		out = append(out, b)
	}
	return out
}
