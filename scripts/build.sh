#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh DIR [meson options]: configure once, compile, print only what went wrong.
# SUITES="unit eal" in the environment: only what the tests of those suites need.
set -u
cd "$(dirname "$0")/.." || exit 1

build=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT

if [ ! -f "$build/build.ninja" ]; then
	if ! meson setup "$build" ${PREFIX:+--prefix="$PREFIX"} "$@" >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		exit 1
	fi
elif [ -n "${PREFIX:-}" ] && ! grep -q "\"name\": \"prefix\", \"value\": \"$PREFIX\"" \
	"$build/meson-info/intro-buildoptions.json"; then
	# The folder was configured for another place.
	if ! meson configure "$build" --prefix="$PREFIX" >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		exit 1
	fi
fi
targets=
if [ -n "${SUITES:-}" ]; then
	# What meson knows may be older than its files.
	ninja -C "$build" build.ninja >"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
	# shellcheck disable=SC2086
	targets=$(scripts/targets.py "$build" $SUITES) || exit 1
fi
# shellcheck disable=SC2086
if ! ninja -C "$build" $targets >"$log" 2>&1; then
	grep -vE '^\[[0-9]+/[0-9]+\] (Compiling|Linking|Generating)' "$log" | tail -n 60 >&2
	exit 1
fi
echo "build: $build is up to date"
