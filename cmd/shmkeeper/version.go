package main

import "runtime/debug"

// version is set by the linker: -X main.version=v1.2.3.
var version string

// versionText is the version of the program: the linker's, or else the module's.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
