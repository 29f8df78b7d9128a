#!/bin/sh
# What shmkeeper says about the incident in this directory. Run it from the root of the repository; it needs Go and no cluster.
set -eu

cd "$(dirname "$0")/.."
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
trap 'exit 1' HUP INT TERM
echo "Building the verbs of kubectl shm that need no cluster (a minute or two the first time)..."
go build -o "$bin/kubectl-shm" ./cmd/kubectl-shm/offline

heading() {
	printf '\n== %s\n\n' "$1"
}

# show EXIT-STATUS ARGUMENT... prints a command, runs it, and fails unless it ends with that status.
show() {
	want=$1
	shift
	printf '$ kubectl shm %s\n\n' "$*"
	got=0
	"$bin/kubectl-shm" "$@" || got=$?
	if [ "$got" -ne "$want" ]; then
		echo "the exit status is $got, not $want" >&2
		exit 1
	fi
	[ "$want" -eq 0 ] || printf '\n(exit status %s: a pipeline stops here)\n' "$got"
	echo
}

heading "The incident: what shmkeeper would do to the Pod and to its Deployment"
show 0 review -f examples/incident-pod.yaml -f examples/incident-deployment.yaml

heading "The same as a diff"
show 0 review -f examples/incident-pod.yaml -f examples/incident-deployment.yaml -o diff

heading "The first repair, 512Mi: why it could not hold"
show 1 review -f examples/naive-repair.yaml -p examples/require-policy.yaml

heading "Where the size comes from"
show 0 size --files-per-minute 18 --retention 168h --sweep-interval 5m --file-size 1500

heading "How fast each size fills: the runtime's 64Mi, both repairs, and the computed one"
show 0 simulate -p authentik-proxy-outposts --size 256Mi --size 512Mi
