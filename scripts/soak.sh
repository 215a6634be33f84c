#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# soak.sh BUILD: the whole matrix of DPDK's testpmd on the drop-in, once; then the random tests with
# fresh seeds, secondaries killed, and the run in each mode, until SOAK_MINUTES have passed (default
# 30).  A failure prints the seed that repeats it and ends the soak.
# SOAK_OPS lengthens each random test; what counts as one operation is the test's own.
set -u
cd "$(dirname "$0")/.." || exit 1

build=${1:-build}
minutes=${SOAK_MINUTES:-30}
end=$(($(date +%s) + minutes * 60))
round=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# dpdk TEST WORD...: one of the tests with DPDK's own programs.
dpdk() {
	local status
	VMHEAP_BUILD=$build VMHEAP_SOURCE=$PWD python3 "tests/dpdk/$1.py" "${@:2}" >"$log" 2>&1
	status=$?
	if [ $status != 0 ] && [ $status != 77 ]; then
		grep -v '^ok ' "$log" | tail -n 40
		echo "soak: failed; repeat with: VMHEAP_BUILD=$build N_KILLS=${N_KILLS:-8} python3 tests/dpdk/$*"
		exit 1
	fi
	echo "soak: $1 $(grep -c '^ok ' "$log") passed, $(grep -c '^SKIP' "$log") left out"
	grep '^SKIP' "$log" | sed 's/^SKIP: [^:]*/  left out/' | sort | uniq -c
}

dpdk test_testpmd full
while [ "$(date +%s)" -lt "$end" ]; do
	round=$((round + 1))
	seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
	for test in "$build"/tests/*/test_*_model "$build"/tests/*/test_*_threads; do
		[ -x "$test" ] || continue
		env SEED="$seed" ${SOAK_OPS:+N_OPS="$SOAK_OPS"} "$test" >"$log" 2>&1
		status=$?
		if [ $status != 0 ] && [ $status != 77 ]; then
			tail -n 30 "$log"
			echo "soak: failed; repeat with: SEED=$seed${SOAK_OPS:+ N_OPS=$SOAK_OPS} $test"
			exit 1
		fi
		[ "$(date +%s)" -ge "$end" ] && break
	done
	for check in 0 1; do
		if ! VMHEAP_MALLOC_CHECK=$check tests/malloc/programs.sh \
			"$build/src/malloc/libvmheap-malloc.so" all >"$log" 2>&1; then
			tail -n 30 "$log"
			echo "soak: VMHEAP_MALLOC_CHECK=$check tests/malloc/programs.sh failed in round $round"
			exit 1
		fi
	done
	N_KILLS=100 dpdk test_secondary
	for mode in veth pcap null; do
		if ! scripts/run.sh --build "$build" --mode $mode --quiet --count 100000 >"$log" 2>&1; then
			tail -n 30 "$log"
			echo "soak: run.sh --mode $mode failed in round $round"
			exit 1
		fi
	done
	echo "soak: round $round passed (seed $seed)"
done
echo "soak: $round rounds in $minutes minutes, all passed"
