#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test.sh BUILD: everything that must hold.  The plain build runs all suites; the same random and
# unit tests run under ASan+UBSan, the threaded ones under TSan; clang compiles everything.
# A skip is counted and its reason printed.  The last line is "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/.." || exit 1

build=${1:-build}
started=$(date +%s)
elapsed() { echo "$(($(date +%s) - started)) s"; }
results=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$results"' EXIT
n_build_failures=0

# The builds for sanitizers and for clang's warnings are not what anybody debugs: less optimized,
# fewer debug symbols, only what their tests need.  That halves a cold run.  (What gcc does not
# optimize it cannot see through, and warns of.)
quick="-Dbuildtype=plain -Ddebug=false"
lines="-Doptimization=g -Dc_args=['-g1','-Wno-maybe-uninitialized','-Wno-format-truncation'] -Dperf=false"

# build NAME BUILD-DIR "suites" meson-options...: what the phase of that name needs.
build() {
	local name=$1 dir=$2 suites=$3
	shift 3
	SUITES=$suites scripts/build.sh "$dir" "$@" >"$results/$name.build" 2>&1
	echo $? >"$results/$name.rc"
}

# phase NAME BUILD-DIR "suites, none: compile only" "meson test arguments": once it is built.
phase() {
	local name=$1 dir=$2 suites=$3 args=$4 s
	while [ ! -s "$results/$name.rc" ]; do sleep 0.2; done
	echo "== $name ($(elapsed))"
	cat "$results/$name.build"
	if [ "$(cat "$results/$name.rc")" != 0 ]; then
		echo "FAIL: $name does not build"
		n_build_failures=$((n_build_failures + 1))
		return
	fi
	[ "$suites" = none ] && return
	for s in $suites; do args+=" --suite $s"; done
	# shellcheck disable=SC2086
	meson test -C "$dir" --no-rebuild --print-errorlogs --logbase "vmheap-$name" $args \
		>"$results/$name.out" 2>&1
	cp "$dir/meson-logs/vmheap-$name.json" "$results/$name.json" 2>/dev/null ||
		{ tail -n 20 "$results/$name.out"; n_build_failures=$((n_build_failures + 1)); }
	python3 scripts/test_report.py --phase "$name" "$results/$name.json"
}

asan_suites="unit eal"
tsan_suites=threads
build_ahead() {
	# shellcheck disable=SC2086
	build asan "$build-asan" "$asan_suites" -Db_sanitize=address,undefined -Db_lundef=false \
		-Dchecks=true $quick $lines
	# shellcheck disable=SC2086
	build tsan "$build-tsan" "$tsan_suites" -Db_sanitize=thread -Db_lundef=false $quick $lines
	# shellcheck disable=SC2086
	command -v clang >/dev/null 2>&1 && CC=clang build clang "$build-clang" "" $quick -Doptimization=0 -Db_pch=false -Dtests=false
}

build plain "$build" ""
# Tests that run alone, or that sleep, leave CPUs idle: the other builds take those.
(renice -n 10 -p "$BASHPID" >/dev/null; build_ahead) &
phase plain "$build" "" ""
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
phase asan "$build-asan" "$asan_suites" "--timeout-multiplier 4"
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tests/tsan.supp
phase tsan "$build-tsan" "$tsan_suites" "--timeout-multiplier 6"
if command -v clang >/dev/null 2>&1; then
	phase clang "$build-clang" none ""
else
	echo "SKIP: clang is not installed: apt-get install clang"
fi

echo "== all ($(elapsed))"
python3 scripts/test_report.py --total "$n_build_failures" "$results"/*.json
