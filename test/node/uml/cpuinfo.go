//go:build linux

package uml

import (
	"os"
	"path/filepath"
)

// cpuinfo is a /proc/cpuinfo that a kubelet can read. That of User Mode Linux has no frequency,
// which the kubelet's cAdvisor insists on. The figures are made up; only the number of processors
// is one that anything depends on.
const cpuinfo = `processor	: 0
vendor_id	: User Mode Linux
model name	: UML
cpu MHz		: 1000.000
physical id	: 0
core id		: 0
cpu cores	: 1

`

func writeCPUInfo(dir string) (string, error) {
	path := filepath.Join(dir, "cpuinfo")
	return path, os.WriteFile(path, []byte(cpuinfo), 0o600)
}
