#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the emulated machine: the daemon has a heap, an arena and a buffer pool on each node, says where
# their pages lie, and explains all of them.
failed=0
expect() { # what, then a command
	what=$1
	shift
	"$@" && return
	echo "not ok: $what"
	failed=1
}

# EAL loads no driver from below a folder that everybody may write.
chmod 755 /
mkdir -p /var/run
cat >/run/startup.conf <<CONF
unix { cli-listen /run/cli.sock }
cpu {
  main-core 0
  workers 1
}
memory {
  main-heap-size 32M
  numa-heap-size 32M
}
plugins { path /plugins }
buffers {
  buffers-per-numa 1024
}
dpdk {
  no-pci
  in-memory
}
CONF
vmheap -c /run/startup.conf >/run/log 2>&1 &
daemon=$!
for _ in $(seq 300); do
	vmheapctl -s /run/cli.sock show version >/run/version 2>&1 && break
	kill -0 $daemon 2>/dev/null || break
	usleep 200000
done
for what in memory buffers lcores; do
	vmheapctl -s /run/cli.sock show $what >/run/$what 2>&1
	cat /run/$what
done
for node in 0 1; do
	sed -n "/name 'numa-$node heap'/,/^\$/p" /run/memory >/run/heap
	expect "node $node: its heap lies there" grep -q "^    numa $node: [1-9][0-9]* pages" /run/heap
	expect "node $node: its heap lies nowhere else" test "$(grep -c '^    numa ' /run/heap)" = 1
	expect "node $node: its heap has huge pages" grep -q "page-size 2M" /run/heap
	expect "node $node: a pool" grep -q "^default-numa-$node  *$node  *$node " /run/buffers
done
expect "each byte is explained" grep -q "+ 0 bytes unexplained" /run/memory
kill -TERM $daemon
expect "the daemon ends well" wait $daemon
expect "no buffer is lost" grep -q "default-numa-1: 0 buffers leaked" /run/log
[ $failed = 0 ] || cat /run/log
exit $failed
