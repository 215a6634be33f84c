#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# perf.sh BUILD: every benchmark beside its peer, one after the other, pinned to the last CPU.
# Results go to the terminal and, a line each, to BUILD/perf/results.txt.
# PERF_ROUNDS shortens or lengthens; ONLY=name runs one benchmark.
set -u
cd "$(dirname "$0")/.." || exit 1

build=${1:-build}
results=$build/perf/results.txt
mkdir -p "$build/perf"
: >"$results"

{
	echo "# machine: $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) CPUs, kernel $(uname -r)"
	echo "# compiler: $(gcc --version | head -n 1); DPDK $(pkg-config --modversion libdpdk)"
	echo "# commit: $(git rev-parse --short HEAD 2>/dev/null || echo none); $(date -u +%FT%TZ)"
	echo "# THP $(sed 's/.*\[\(.*\)\].*/\1/' /sys/kernel/mm/transparent_hugepage/enabled), 2M pages free $(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null || echo 0), load $(cut -d' ' -f1 /proc/loadavg)"
} | tee -a "$results"

n=0
benches=$(find "$build/perf" -maxdepth 1 -type f -name 'bench_*' -perm -u+x -printf '%f\n' | sort)
for bench in $benches forward; do
	[ -n "${ONLY:-}" ] && [ "$ONLY" != "$bench" ] && [ "bench_$ONLY" != "$bench" ] && continue
	n=$((n + 1))
	echo "# [$n] $bench" | tee -a "$results"
	if [ "$bench" = forward ]; then
		python3 perf/forward.py "$build"
	else
		"$build/perf/$bench"
	fi | tee -a "$results"
	[ "${PIPESTATUS[0]}" = 0 ] || echo "# $bench ended with an error" | tee -a "$results"
done
[ $n = 0 ] && echo "perf: no benchmark named ${ONLY:-}" >&2 && exit 1
echo "# results kept in $results"
