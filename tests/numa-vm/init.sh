#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first process of the emulated machine.  /tests has a line for each program: name, then the
# 2 MiB pages of node 0 and node 1, then the command.  Every program's output is framed by lines that the host's side
# reads; the machine ends with 1 if one of them failed.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /mnt/huge
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s /bin
mount -t hugetlbfs hugetlbfs /mnt/huge
export PATH=/bin LD_LIBRARY_PATH=/lib

pages() { # node, how many
	echo "$2" >/sys/devices/system/node/node"$1"/hugepages/hugepages-2048kB/nr_hugepages
}

failed=0
echo "numa-vm: nodes $(cat /sys/devices/system/node/has_memory), up after $(cut -d' ' -f1 /proc/uptime) s"
while read -r name on0 on1 command; do
	pages 0 "$on0"
	pages 1 "$on1"
	echo "numa-vm: begin $name ($(cat /sys/devices/system/node/node*/hugepages/hugepages-2048kB/free_hugepages | tr '\n' ' ')pages)"
	sh -c "$command"
	status=$?
	case $status in 0 | 77) ;; *) failed=1 ;; esac
	echo "numa-vm: end $name $status after $(cut -d' ' -f1 /proc/uptime) s"
done </tests
exec /bin/outb $failed
