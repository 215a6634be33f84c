#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# DPDK's own testpmd, not recompiled, on our buffer pool: forwards between two net_null ports for
# so many seconds (3), and tells which mempool ops its pool has.
#
#   testpmd.sh [seconds [EAL arguments ...]]
#
# VMHEAP_DROPIN is the path of librte_mempool_vmheap.so; otherwise it is where pkg-config says that
# the library is installed.  DPDK refuses drivers in folders that everybody may write to.
set -eu

seconds=${1:-3}
[ $# -gt 0 ] && shift
driver=${VMHEAP_DROPIN:-$(pkg-config --variable=libdir libvmheap-plugin)/librte_mempool_vmheap.so}
if [ ! -e "$driver" ]; then
	echo "there is no $driver: install the library, or set VMHEAP_DROPIN" >&2
	exit 77
fi
[ $# -gt 0 ] || set -- --in-memory
# testpmd ends at SIGINT, and prints what it moved.
timeout -s INT "$seconds" dpdk-testpmd -l 0,1 --no-pci "$@" -d "$driver" \
	--mbuf-pool-ops-name=vmheap --vdev=net_null0 --vdev=net_null1 -- \
	--total-num-mbufs=16384 --stats-period=1 </dev/null || [ $? = 124 ]
