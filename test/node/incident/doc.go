// Package incident replays the incident that shmkeeper is for on a real node: its tests run a whole
// cluster on this machine, install shmkeeper in it as its users do, and have a writer of sessions
// fill /dev/shm while time runs faster. They need Linux, root and the build tag node, and are run
// by `make test-node`.
package incident
