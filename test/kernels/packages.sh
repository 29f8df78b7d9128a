#!/bin/sh
# Installs what `make test-kernels` needs beside Go, where Debian has it and nothing has to go for it: the emulator,
# and the compiler of SELinux policies. The kernels themselves are not installed.
set -eu
missing=
command -v qemu-system-x86_64 >/dev/null || missing="$missing qemu-system-x86"
command -v checkpolicy >/dev/null || missing="$missing checkpolicy"
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
  echo "make test-kernels: Debian's packages$missing are missing: install them, or run this as root on Debian" >&2
  exit 1
fi
apt-get update
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends --no-remove $missing
