#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A program written for VPP's vppinfra is compiled as its author would, without a flag of ours,
# linked with the library, and run; it must end with status 0.
#
#   run.sh SOURCE_ROOT LIBRARY SANITIZE PROGRAM.c [ARGUMENT...]
#
# gcc is asked with no flags at all and for a debug image with assertions; each compiler that is
# installed for a release build that takes warnings seriously.  SANITIZE is none, or what
# the library was built with: then only that build's compiler (CC, default gcc) is asked.
set -u
root=$1 library=$2 sanitize=$3 program=$4
shift 4

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
n_passed=0
n_failed=0

# build_and_run COMPILER FLAG... -- ARGUMENT...
build_and_run() {
	what=
	while [ "$1" != -- ]; do
		what="$what $1"
		shift
	done
	shift
	# A compiler that does not end would take the whole test run with it.
	if ! timeout 120 $what -I"$root/src" -D_GNU_SOURCE -DCLIB_LOG2_CACHE_LINE_BYTES=6 \
		"$program" -o "$work/program" "$library" -Wl,-rpath,"$(dirname "$library")" \
		2>"$work/log"; then
		echo "not ok: does not compile:$what"
		grep -E 'error|warning|undefined' "$work/log" | head -20
		n_failed=$((n_failed + 1))
		return
	fi
	(cd "$work" && exec ./program "$@") >"$work/out" 2>&1 </dev/null
	status=$?
	if [ $status != 0 ]; then
		echo "not ok: status $status:$what"
		tail -n 40 "$work/out"
		n_failed=$((n_failed + 1))
		return
	fi
	n_passed=$((n_passed + 1))
	echo "ok:$what"
}

if [ "$sanitize" != none ]; then
	build_and_run ${CC:-gcc} -g -fno-omit-frame-pointer -DCLIB_DEBUG=1 \
		-fsanitize="$sanitize" -- "$@"
else
	build_and_run gcc -- "$@"
	build_and_run gcc -g -DCLIB_DEBUG=1 -- "$@"
	for cc in gcc clang; do
		command -v $cc >/dev/null || continue
		build_and_run $cc -O2 -Wall -Werror -- "$@"
	done
fi

tail -n 5 "$work/out" 2>/dev/null
echo "$n_passed passed, $n_failed failed"
[ "$n_passed" -gt 0 ] && [ "$n_failed" -eq 0 ]
