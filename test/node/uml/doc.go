//go:build linux

// Package uml runs a program of this machine in User Mode Linux: a Linux kernel that is itself a
// program, and so needs neither virtualization nor anything to be set up. The program finds the
// file system of the machine as it is, below an overlay: what it writes is lost when it ends,
// except in the folders that the caller names. What it gets that the machine may not have is one
// cgroup v2 hierarchy.
//
// A program calls Init first of all, because it is run again as the first process of the guest:
//
//	if uml.IsInit() {
//		uml.Init()
//	}
//
// Debian's package of 6.1 computes at the machine's speed on one processor; a system call takes about ten times as long.
package uml
