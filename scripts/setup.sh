#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install what a build, a run and the tests need and this machine lacks.  As root or by sudo;
# otherwise one line names the packages.  Silent when nothing is missing.
set -u

missing=
need() { # package, then a command that succeeds when it is there
	package=$1
	shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}
has() { command -v "$1"; }
header() { test -e "/usr/include/$1"; }

need gcc has gcc
need libc6-dev header stdio.h
# Source lines in the stacks of `show memory` (comes with gcc 12).
need libgcc-12-dev test -e "$(gcc -print-file-name=libbacktrace.a 2>/dev/null)"
need pkg-config has pkg-config
need meson has meson
need ninja-build has ninja
need python3 has python3
need libdpdk-dev pkg-config --exists libdpdk
need libnuma-dev header numaif.h
need libcunit1-dev header CUnit/CUnit.h
need libjansson-dev pkg-config --exists jansson
need libevent-dev pkg-config --exists libevent
need libedit-dev pkg-config --exists libedit
need iproute2 has ip
need iputils-ping has ping
need ethtool has ethtool
need procps has ps
# For the tests and benchmarks alone: the second compiler, its sanitizers, testpmd and glib beside us.
need clang has clang
need g++ has g++
need dpdk-dev has dpdk-testpmd
need libglib2.0-dev pkg-config --exists glib-2.0
# Programs that run on our malloc, and the allocators beside it.
need perl has perl
need git has git
need sqlite3 has sqlite3
need redis-server has redis-server
need stress-ng has stress-ng
need valgrind has valgrind
need libjemalloc2 test -e "/usr/lib/$(gcc -print-multiarch 2>/dev/null)/libjemalloc.so.2"
need libmimalloc2.0 test -e "/usr/lib/$(gcc -print-multiarch 2>/dev/null)/libmimalloc.so.2"
need libtcmalloc-minimal4 test -e "/usr/lib/$(gcc -print-multiarch 2>/dev/null)/libtcmalloc_minimal.so.4"

# as_root COMMAND...: as root, or not at all.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
		sudo -n "$@"
	else
		return 126
	fi
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }

if [ -n "$missing" ]; then
	echo "setup: installing$missing"
	# shellcheck disable=SC2086
	install $missing >"$log" 2>&1
	status=$?
	if [ $status = 126 ]; then
		echo "setup: missing packages and no right to install them; run: apt-get install$missing" >&2
		# What is left may be enough to build (the tests' extras are not needed for that).
		pkg-config --exists libdpdk jansson libevent libedit 2>/dev/null && command -v meson >/dev/null && exit 0
		exit 1
	elif [ $status != 0 ]; then
		tail -n 15 "$log" >&2
		echo "setup: apt-get failed, the lines above say why" >&2
		exit 1
	fi
fi

# A machine with two NUMA nodes for tests/numa-vm: an emulator, and a kernel that is only unpacked.
# Without them that test is skipped, so nothing here fails.
[ "$(uname -m)" = x86_64 ] && command -v apt-get >/dev/null 2>&1 || exit 0
missing=
need qemu-system-x86 has qemu-system-x86_64
need busybox-static has busybox
need cpio has cpio
# shellcheck disable=SC2086
if [ -n "$missing" ] && ! install $missing >"$log" 2>&1; then
	echo "setup: without an emulated machine of two NUMA nodes; run: apt-get install --no-install-recommends$missing"
	exit 0
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vmheap
ls "$cache"/vmlinuz-*-cloud-amd64 >/dev/null 2>&1 && exit 0
work=$(mktemp -d)
trap 'rm -rf "$log" "$work"' EXIT
package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
if [ -n "$package" ] && cd "$work" && apt-get download "$package" >"$log" 2>&1 &&
	dpkg-deb --fsys-tarfile ./*.deb | tar x --wildcards './boot/vmlinuz*' 2>>"$log" && mkdir -p "$cache"; then
	cp boot/vmlinuz-* "$cache/"
	echo "setup: a kernel for tests/numa-vm is in $cache"
else
	echo "setup: no kernel for the emulated machine: tests/numa-vm will be skipped"
fi
exit 0
