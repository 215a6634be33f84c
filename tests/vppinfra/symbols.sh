#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a program gets that links with us are names of our own families and no other: nothing of a
# program's own can collide with a helper of ours.
#
#   symbols.sh LIBRARY STATIC_ARCHIVE
#
# The shared library shows what is marked CLIB_EXPORT.  In an archive every function with external
# linkage is in the program's way, so there the internal names count as well.
set -u
library=$1 archive=$2

# One family a line, as a regular expression for the whole name.
families() {
	cat <<-'END'
		_?(clib|vec|pool|hash|mheap|mhash|heap|sparse_vec|valloc|pmalloc|mem_vm|elog)_[a-z0-9_]+
		elog
		_?(un)?serialize(_[a-z0-9_]+)?
		(mem|string)_key_(sum|equal|format_pair)
		_?(vm|vmem|arena|mmz|pages|kmem|percpu|vmheap)_[a-z0-9_]+
		_?(un)?format(_[a-z0-9_]+)?
		va_((un|f)?format|serialize)
		fd?format
		table_[a-z0-9_]+
		(os|unix)_[a-z0-9_]+
		random_[a-z0-9_]+
		isaac2?(_[a-z0-9_]+)?
	END
}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
families >"$work/families"

# check WHAT: names on stdin
check() {
	sed 's/@.*//' | sort -u >"$work/names"
	n=$(wc -l <"$work/names")
	strangers=$(grep -vxE -f "$work/families" "$work/names")
	echo "$1: $n names, $(printf '%s' "$strangers" | grep -c .) of no family of ours"
	[ -n "$strangers" ] && echo "$strangers" | head -40
	[ "$n" -gt 100 ] && [ -z "$strangers" ]
}

status=0
nm -D --defined-only "$library" | awk '{ print $3 }' | check "$library" || status=1
nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | check "$archive" || status=1
exit $status
