#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The objects a packet's way goes through call the project's own functions and what is listed
# here: no malloc, no stdio, none of the control side's libraries.
#
#   data_path.sh ARCHIVE...
set -u

own="kmem_.*|mheap_.*|vmem_.*|_vmem_.*|vm_.*|clib_.*|_vec_.*|pktpool_.*"
# What a compiler puts in, copies, locks, and the waiting of a VM_SLEEP request.
system="_GLOBAL_OFFSET_TABLE_|__tls_get_addr|memcpy|memmove|memset|memcmp"
system="$system|pthread_(mutex_(lock|trylock|unlock)|cond_(wait|timedwait|broadcast))|sched_yield"
system="$system|clock_gettime|stat(64)?|__xstat(64)?|__libc_single_threaded"
# The sampler of a traced heap, and the question whether a page of a stack is there.
system="$system|log|expm1|syscall|__errno_location|__libc_stack_end"

n_symbols=0
n_refused=0
for archive; do
	for symbol in $(nm -u "$archive" | awk '/:$/ { object = $1 } $1 == "U" { print object $2 }'); do
		n_symbols=$((n_symbols + 1))
		echo "${symbol##*:}" | grep -Eqx "$own|$system" && continue
		n_refused=$((n_refused + 1))
		echo "not ok: $symbol"
	done
done

echo "$n_symbols symbols, $n_refused refused"
[ "$n_symbols" -gt 0 ] && [ "$n_refused" -eq 0 ]
