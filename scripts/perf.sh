#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# perf.sh BUILD: every benchmark beside its peer, one after the other, pinned to the last CPU.
# Results go to the terminal and, a line each, to BUILD/perf/results.txt; then BUILD/perf has
# report.html, results.csv and, with gnuplot, png/.
# PERF_ROUNDS shortens or lengthens; ONLY=name runs one benchmark, and reports on it alone;
# Peers that setup.sh could not install are left out, and bench_malloc says so.
# PERF_INSTRUCTIONS=0 leaves out the runs under valgrind, which count what this CPU will not.
set -u
cd "$(dirname "$0")/.." || exit 1

build=${1:-build}
results=$build/perf/results.txt
points=$build/perf/points.txt
mkdir -p "$build/perf"
: >"$results"
: >"$points"

{
	echo "# machine: $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) CPUs, kernel $(uname -r)"
	echo "# compiler: $(gcc --version | head -n 1); DPDK $(pkg-config --modversion libdpdk)"
	echo "# peers: $(dpkg-query -W -f '${Package} ${Version}; ' libc6 libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 2>/dev/null)"
	echo "# commit: $(git rev-parse --short HEAD 2>/dev/null || echo none); $(date -u +%FT%TZ)"
	echo "# THP $(sed 's/.*\[\(.*\)\].*/\1/' /sys/kernel/mm/transparent_hugepage/enabled), 2M pages free $(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null || echo 0), load $(cut -d' ' -f1 /proc/loadavg)"
} | tee -a "$results"

run() {
	case $1 in
	forward) python3 perf/forward.py "$build" ;;
	bench_malloc)
		args=(--points "$points")
		[ "${PERF_INSTRUCTIONS:-1}" != 0 ] && command -v valgrind >/dev/null && args+=(--instructions)
		"$build/perf/$1" "${args[@]}"
		;;
	*) "$build/perf/$1" ;;
	esac
}

n=0
benches=$(find "$build/perf" -maxdepth 1 -type f -name 'bench_*' -perm -u+x -printf '%f\n' | sort)
for bench in $benches forward; do
	[ -n "${ONLY:-}" ] && [ "$ONLY" != "$bench" ] && [ "bench_$ONLY" != "$bench" ] && continue
	n=$((n + 1))
	echo "# [$n] $bench" | tee -a "$results"
	run "$bench" | tee -a "$results"
	[ "${PIPESTATUS[0]}" = 0 ] || echo "# $bench ended with an error" | tee -a "$results"
done
[ $n = 0 ] && echo "perf: no benchmark named ${ONLY:-}" >&2 && exit 1
echo "# results kept in $results"
python3 perf/report.py --results "$results" --points "$points" --html "$build/perf/report.html" \
	--csv "$build/perf/results.csv" --png "$build/perf/png" || exit 1
echo "# report: $build/perf/report.html"
