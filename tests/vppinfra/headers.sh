#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone, vmem's faces too, in C and in C++, with the warnings that a
# careful program turns on; all of them compile together; and programs that use what is in them
# link and run.
#
#   headers.sh SOURCE_ROOT LIBRARY PROGRAM... -- HEADER...
#
# The standard is the strict one (c11, c++17), in which fewer words are known, and for all headers
# together the GNU one as well.  What a header forgets to include it forgets for every compiler:
# alone it is shown to gcc and g++ (or to clang where they are missing), all else to clang as well.
# A PROGRAM.c must be a C++ program, too.
set -u
root=$1 library=$2
shift 2
programs=
while [ "$1" != -- ]; do
	programs="$programs $1"
	shift
done
shift

warnings="-Wall -Wextra -Wshadow -Werror"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
n_failed=0
n_compiled=0

# compile WHAT COMPILER ARGUMENTS...
compile() {
	what=$1
	shift
	command -v "$1" >/dev/null || return
	n_compiled=$((n_compiled + 1))
	"$@" -I"$root/src" -D_GNU_SOURCE $warnings 2>"$work/log" && return
	n_failed=$((n_failed + 1))
	echo "not ok: $1 $2: $what"
	grep -E 'error|undefined' "$work/log" | head -5
	return 1
}

# run PROGRAM COMPILER ARGUMENTS...: it must end with status 0, too
run() {
	program=$1
	shift
	command -v "$1" >/dev/null || return
	compile "$program" "$@" "$program" -x none -o "$work/program" "$library" \
		-Wl,-rpath,"$(dirname "$library")" || return
	"$work/program" && return
	n_failed=$((n_failed + 1))
	echo "not ok: $1 $2: $program ran and found an error"
}

alone_cc=gcc alone_cxx=g++
command -v gcc >/dev/null || alone_cc=clang
command -v g++ >/dev/null || alone_cxx=clang++
: >"$work/all"
for header; do
	echo "#include <vppinfra/$header>" | tee -a "$work/all" >"$work/alone"
	compile "$header" $alone_cc -std=c11 -x c -fsyntax-only "$work/alone"
	compile "$header" $alone_cxx -std=c++17 -x c++ -fsyntax-only "$work/alone"
done
for std in c11 gnu11; do
	for cc in gcc clang; do
		compile "all headers" $cc -std=$std -x c -fsyntax-only "$work/all"
	done
done
for std in c++17 gnu++17; do
	for cxx in g++ clang++; do
		compile "all headers" $cxx -std=$std -x c++ -fsyntax-only "$work/all"
	done
done

# vmem's other faces, each by its include folder; and two of them in one file are refused.
for face in bsd netbsd illumos; do
	for header in "$root/src/vppinfra/$face"/sys/*.h; do
		header=sys/${header##*/}
		echo "#include <$header>" >"$work/alone"
		for cc in gcc clang; do
			compile "$face/<$header>" $cc -std=c11 -x c -I"$root/src/vppinfra/$face" \
				-fsyntax-only "$work/alone"
		done
		for cxx in g++ clang++; do
			compile "$face/<$header>" $cxx -std=c++17 -x c++ \
				-I"$root/src/vppinfra/$face" -fsyntax-only "$work/alone"
		done
	done
done
for faces in "bsd/sys/vmem.h vmem.h" "vmem.h bsd/sys/vmem.h" "netbsd/sys/vmem.h bsd/sys/vmem.h" \
	"vmem.h netbsd/sys/vmem.h"; do
	n_compiled=$((n_compiled + 1))
	for header in $faces; do
		echo "#include <vppinfra/$header>"
	done >"$work/alone"
	cc -I"$root/src/vppinfra/bsd" -I"$root/src" -D_GNU_SOURCE -fsyntax-only -x c "$work/alone" \
		2>"$work/log"
	grep -q "one file sees one vmem face" "$work/log" && continue
	n_failed=$((n_failed + 1))
	echo "not ok: two faces in one file: $faces"
done

for program in $programs; do
	for cxx in g++ clang++; do
		run "$program" $cxx -std=c++17 -x c++
	done
	case $program in
	*.c)
		for cc in gcc clang; do
			run "$program" $cc -std=c11 -x c
		done
		;;
	esac
done

echo "$n_compiled compiled, $n_failed failed"
[ "$n_compiled" -gt 0 ] && [ "$n_failed" -eq 0 ]
