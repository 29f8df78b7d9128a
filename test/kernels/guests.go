package kernels

import (
	"fmt"
	"regexp"
	"strings"
)

// guest represents a virtual machine that is to run: a kernel, with or without SELinux.
type guest struct {
	series
	selinux bool
}

// name returns what KERNELS is matched with, such as 6.1 or 6.12+selinux.
func (g guest) name() string {
	if g.selinux {
		return g.version + "+selinux"
	}
	return g.version
}

// selectGuests returns the guests whose names match a regular expression.
func selectGuests(all []series, pattern string) ([]guest, error) {
	matches, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf(`KERNELS: %q is not a regular expression: %w: give one such as ^6\.1`, pattern, err)
	}
	var selected []guest
	var names []string
	for _, s := range all {
		for _, g := range []guest{{s, false}, {s, true}} {
			names = append(names, g.name())
			if matches.MatchString(g.name()) {
				selected = append(selected, g)
			}
		}
	}
	if len(selected) == 0 {
		return nil, fmt.Errorf("KERNELS: %q matches none of %s: give a regular expression that does", pattern, strings.Join(names, ", "))
	}
	return selected, nil
}

// factor returns how many times as many files are needed as for a kernel that counts exactly.
func (g guest) factor() int {
	if g.coarse {
		return 4
	}
	return 1
}

// memory returns how much the machine needs for its files, in MiB.
func (g guest) memory() int {
	if g.coarse {
		return 4096
	}
	return 2560
}
