#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Reserve 2 MiB huge pages when allowed: enough for the daemon, its buffers and the tests.
# Never takes more than a quarter of the free memory, never lowers what is there, and never
# fails: everything here also runs on 4 KiB pages.
set -u

want=${VMHEAP_HUGEPAGES:-512}
dir=/sys/kernel/mm/hugepages/hugepages-2048kB

if [ ! -d $dir ]; then
	echo "hugepages: this kernel offers no 2 MiB pages; running on 4 KiB pages"
	exit 0
fi
total=$(cat $dir/nr_hugepages)
[ "$total" -ge "$want" ] && exit 0

available_kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
most=$((total + available_kib / 4 / 2048))
[ "$want" -gt "$most" ] && want=$most

if [ "$(id -u)" = 0 ]; then
	echo "$want" >$dir/nr_hugepages 2>/dev/null
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
	echo "$want" | sudo -n tee $dir/nr_hugepages >/dev/null 2>&1
fi

got=$(cat $dir/nr_hugepages)
if [ "$got" -lt "$want" ]; then
	echo "hugepages: $got of $want 2 MiB pages reserved, the rest runs on 4 KiB pages; as root: sysctl vm.nr_hugepages=$want"
fi
exit 0
