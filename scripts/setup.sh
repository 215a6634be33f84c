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

[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
	as_root="sudo -n"
else
	echo "setup: missing packages and no right to install them; run: apt-get install$missing" >&2
	# What is left may be enough to build (the tests' extras are not needed for that).
	pkg-config --exists libdpdk jansson libevent libedit 2>/dev/null && command -v meson >/dev/null && exit 0
	exit 1
fi

echo "setup: installing$missing"
log=$(mktemp)
if ! { $as_root apt-get update &&
	DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
	tail -n 15 "$log" >&2
	echo "setup: apt-get failed, the lines above say why" >&2
	rm -f "$log"
	exit 1
fi
rm -f "$log"
