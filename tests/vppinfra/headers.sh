#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone, in C and in C++, with the warnings that a careful program
# turns on; and a C++ program that uses them links and runs.
#
#   headers.sh SOURCE_ROOT LIBRARY PROGRAM.cc NESTED.c HEADER...
#
# NESTED.c uses macros inside one another's arguments, which may shadow nothing; it is C and C++.
# Shadowing is C's business only: to g++ VPP's hash_header() hides its struct of that name.
# Each compiler of gcc, clang, g++ and clang++ that is installed is asked.
set -u
root=$1 library=$2 program=$3 nested=$4
shift 4

warnings="-Wall -Wextra -Werror"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
n_failed=0
n_compiled=0

# compile COMPILER ARGUMENTS...: a file that only includes $header
compile() {
	n_compiled=$((n_compiled + 1))
	echo "#include <vppinfra/$header>" >"$work/alone"
	"$@" -I"$root/src" -D_GNU_SOURCE $warnings -fsyntax-only "$work/alone" 2>"$work/log" && return
	n_failed=$((n_failed + 1))
	echo "not ok: $1: $header"
	grep error "$work/log" | head -5
}

for header; do
	for cc in gcc clang; do
		command -v $cc >/dev/null && compile $cc -std=gnu11 -Wshadow -x c
	done
	for cxx in g++ clang++; do
		command -v $cxx >/dev/null && compile $cxx -std=gnu++17 -x c++
	done
done

# run SOURCE COMPILER FLAG...
run() {
	source=$1
	shift
	command -v "$1" >/dev/null || return
	n_compiled=$((n_compiled + 1))
	"$@" -I"$root/src" -D_GNU_SOURCE $warnings "$source" -x none "$library" -o "$work/program" \
		-Wl,-rpath,"$(dirname "$library")" && "$work/program" && return
	n_failed=$((n_failed + 1))
	echo "not ok: $1: $source"
}

for cc in gcc clang; do
	run "$nested" $cc -O2 -std=gnu11 -Wshadow
done
for cxx in g++ clang++; do
	run "$program" $cxx -std=gnu++17
	run "$nested" $cxx -O2 -std=gnu++17 -Wshadow -x c++
done

echo "$n_compiled compiled, $n_failed failed"
[ "$n_compiled" -gt 0 ] && [ "$n_failed" -eq 0 ]
