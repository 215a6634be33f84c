#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh: the daemon with two real ports and workers, moving real traffic.
#
#   namespace A  eth0 ---- pa  [ vmheap: port pa <-> port pb ]  pb ---- eth0  namespace B
#
# veth   a veth pair per port (af_packet), the ports connected: ping and a UDP flow verified at the
#        far end
# route  the same, each port with addresses of its own: IPv4 and IPv6 are routed, and answered
# pcap   where namespaces are not allowed: net_pcap replays captures made here
# null   net_null, for speed
#
# Options: --build DIR  --mode auto|veth|route|pcap|null (repeatable)  --shell  --cleanup  --no-huge
#          --count N (datagrams)  --seconds N (null)  --quiet (no show commands)
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.." || exit 1

build=build modes= shell=0 count=20000 seconds=3 quiet=0 no_huge=0
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=$2 && shift ;;
	--mode) modes="$modes $2" && shift ;;
	--count) count=$2 && shift ;;
	--seconds) seconds=$2 && shift ;;
	--shell) shell=1 ;;
	--quiet) quiet=1 ;;
	--no-huge) no_huge=1 ;;
	--cleanup) modes=cleanup ;;
	*) echo "run.sh: unknown option $1" >&2 && exit 2 ;;
	esac
	shift
done
build=$(cd "$build" 2>/dev/null && pwd) || { [ "$modes" = cleanup ] || { echo "run.sh: no build folder, run: make build" >&2; exit 2; }; }

base=${XDG_RUNTIME_DIR:-/tmp}
work=$base/vmheap-run-$$
tag=vmheap-$$ # namespaces are $tag-a, $tag-b, $tag-d
daemon_pid=
failed=0

say() { printf '\n== %s\n' "$*"; }
fail() {
	echo "FAIL: $*"
	failed=1
}

# What a killed run left behind: namespaces and folders whose owner is gone.
remove_stale() {
	local name pid
	for name in $(ip netns list 2>/dev/null | awk '/^vmheap-[0-9]+-[abd]( |$)/ { print $1 }'); do
		pid=${name#vmheap-}
		pid=${pid%-*}
		kill -0 "$pid" 2>/dev/null || ip netns del "$name" 2>/dev/null
	done
	for name in "$base"/vmheap-run-*; do
		pid=${name##*-}
		[ -d "$name" ] && ! kill -0 "$pid" 2>/dev/null && rm -rf "$name"
	done
	return 0
}

cleanup() {
	[ -n "$daemon_pid" ] && kill "$daemon_pid" 2>/dev/null && wait "$daemon_pid" 2>/dev/null
	for end in a b d; do
		ip netns del "$tag-$end" 2>/dev/null
	done
	rm -rf "$work"
}

remove_stale
[ "$modes" = cleanup ] && exit 0
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$work" && chmod 700 "$work" || exit 1
socket=$work/cli.sock

# Namespaces, as root or in a user namespace of our own.
can_netns() {
	ip netns add "$tag-d" 2>/dev/null || return 1
	# In a chroot and in some containers a namespace can be made but not entered by name.
	ip netns exec "$tag-d" true 2>/dev/null && return 0
	ip netns del "$tag-d" 2>/dev/null
	return 1
}
if [ -z "$modes" ] || [ "$modes" = " auto" ]; then
	if can_netns; then
		modes="veth route null"
	elif [ -z "${VMHEAP_IN_USERNS:-}" ] &&
		unshare -Urnm sh -c 'mount -t tmpfs none /run && ip netns add probe && ip netns exec probe true' 2>/dev/null; then
		echo "run: not root, so the ports live in a user namespace"
		rm -rf "$work"
		trap - EXIT
		VMHEAP_IN_USERNS=1 XDG_RUNTIME_DIR= exec unshare -Urnm --propagation slave \
			sh -c 'mount -t tmpfs none /run; exec "$@"' sh "$here/run.sh" --build "$build" \
			--count "$count" --seconds "$seconds" $([ $shell = 1 ] && echo --shell) \
			$([ $quiet = 1 ] && echo --quiet) $([ $no_huge = 1 ] && echo --no-huge)
	else
		echo "run: network namespaces are not allowed here, so net_pcap replays a capture; for veth ports: sudo make run"
		modes="pcap null"
	fi
fi

ctl() { "$build/src/cli/vmheapctl" -s "$socket" "$@"; }

# write_config "vdev lines" "stanzas": the daemon's startup.conf.
write_config() {
	cat >"$work/startup.conf" <<CONF
unix {
  cli-listen $socket
  pidfile $work/vmheap.pid
}
cpu {
  main-core 0
  workers 2
}
memory {
  main-heap-size 256M
  numa-heap-size 256M
}
plugins {
  path $build/src/plugins
}
buffers {
  buffers-per-numa 16384
  default data-size 2048
}
dpdk {
  no-pci
$([ $no_huge = 1 ] && echo "  no-huge")
$1
}
$2
CONF
}

# start_daemon [command prefix...]: returns when the daemon answers.
start_daemon() {
	"$@" "$build/src/cli/vmheap" -c "$work/startup.conf" >"$work/daemon.log" 2>&1 </dev/null &
	daemon_pid=$!
	for _ in $(seq 200); do
		if ctl show version >/dev/null 2>&1; then
			grep -E '^vmheap: (degraded|buffers):' "$work/daemon.log"
			return 0
		fi
		kill -0 "$daemon_pid" 2>/dev/null || break
		sleep 0.1
	done
	fail "the daemon did not start; it said:"
	tail -n 20 "$work/daemon.log"
	kill "$daemon_pid" 2>/dev/null
	daemon_pid=
	return 1
}

stop_daemon() {
	local status
	kill -TERM "$daemon_pid" 2>/dev/null
	wait "$daemon_pid"
	status=$?
	daemon_pid=
	grep -E 'leaked|error|warning' "$work/daemon.log"
	[ $status = 0 ] || fail "the daemon ended with status $status; it said:" "$(tail -n 10 "$work/daemon.log")"
	grep -q '^.*\b0 buffers leaked' "$work/daemon.log" || fail "the daemon did not report 0 buffers leaked"
	[ -e "$socket" ] && fail "the socket is still there"
}

# Sum of a column over all ports.
port_sum() {
	ctl -j show interface | python3 -c '
import json, sys
print(sum(i[sys.argv[1]] for i in json.load(sys.stdin)["interfaces"]))' "$1"
}

# Waits until the counters stand still, then compares packets in with packets out.
compare_in_out() {
	local rx tx before=-1
	for _ in $(seq 50); do
		rx=$(port_sum rx_packets) tx=$(port_sum tx_packets)
		[ "$rx" = "$before" ] && break
		before=$rx
		sleep 0.2
	done
	if [ "$rx" = "$tx" ] && [ "$rx" -gt 0 ]; then
		echo "packets in = packets out = $rx"
	else
		fail "packets in $rx, packets out $tx"
	fi
}

show_all() {
	[ $quiet = 1 ] && return
	for command in "show interface" "show buffers detail" "show memory verbose" "show vmem" "show runtime"; do
		say "$command"
		ctl $command || fail "$command"
	done
}

open_shell() {
	say "the ports are up; quit or ^D ends the client and stops the daemon"
	[ "$1" = route ] && echo "traffic: ip netns exec $tag-a ping 10.98.2.2, or fd98:2::2, or 10.98.1.1"
	[ "$1" = veth ] && echo "traffic: ip netns exec $tag-a ping 10.99.0.2"
	ctl
}

make_veth() { # namespace, its address, MAC, the other's address, MAC, our end
	ip netns list | grep -q "^$1\b" || ip netns add "$1" || return 1
	ip netns exec "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
	ip link add "$6" netns "$tag-d" type veth peer name eth0 netns "$1" || return 1
	ip -n "$1" link set eth0 address "$3"
	ip -n "$1" addr add "$2/24" dev eth0
	# Offloads off: af_packet hands frames on as they are, half-made checksums and all.
	ip netns exec "$1" ethtool -K eth0 tx off rx off tso off gso off gro off >/dev/null 2>&1
	ip netns exec "$tag-d" ethtool -K "$6" tx off rx off tso off gso off gro off >/dev/null 2>&1
	ip -n "$tag-d" link set "$6" up
	ip -n "$1" link set eth0 up
	ip -n "$1" neigh replace "$4" lladdr "$5" dev eth0 nud permanent
}

run_veth() {
	local mac_a=02:00:00:00:00:0a mac_b=02:00:00:00:00:0b
	say "two veth ports, af_packet: A (10.99.0.1) <-> vmheap <-> B (10.99.0.2)"
	ip netns list 2>/dev/null | grep -q "^$tag-d\b" || ip netns add "$tag-d" || { fail "no network namespaces here"; return; }
	ip netns exec "$tag-d" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
	make_veth "$tag-a" 10.99.0.1 $mac_a 10.99.0.2 $mac_b pa &&
		make_veth "$tag-b" 10.99.0.2 $mac_b 10.99.0.1 $mac_a pb || { fail "veth pairs"; return; }
	write_config "  vdev net_af_packet0,iface=pa
  vdev net_af_packet1,iface=pb" "xconnect { net_af_packet0 net_af_packet1 }"
	start_daemon ip netns exec "$tag-d" || return
	if [ $shell = 1 ]; then
		open_shell veth
	else
		ip netns exec "$tag-a" ping -c 5 -i 0.2 -W 2 10.99.0.2 | tail -n 2
		[ "${PIPESTATUS[0]}" = 0 ] || fail "ping"
		check_flow 10.99.0.2
		compare_in_out
		show_all
	fi
	stop_daemon
}

# A namespace's end of a veth pair with an IPv4 and an IPv6 address and a way to the other side.
make_routed() { # namespace, its IPv4, IPv6, our IPv4, IPv6, prefixes of the other side, MAC, our end
	ip netns list | grep -q "^$1\b" || ip netns add "$1" || return 1
	ip -n "$1" link del eth0 2>/dev/null
	ip netns exec "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 \
		net.ipv6.conf.default.accept_dad=0 2>/dev/null
	ip link add "$9" netns "$tag-d" type veth peer name eth0 netns "$1" || return 1
	ip -n "$1" link set eth0 address "$8"
	ip netns exec "$1" ethtool -K eth0 tx off rx off tso off gso off gro off >/dev/null 2>&1
	ip netns exec "$tag-d" ethtool -K "$9" tx off rx off tso off gso off gro off >/dev/null 2>&1
	ip -n "$tag-d" link set "$9" up
	ip -n "$1" link set lo up
	ip -n "$1" link set eth0 up
	ip -n "$1" addr add "$2/24" dev eth0
	ip -n "$1" -6 addr add "$3/64" dev eth0 nodad
	ip -n "$1" route add "$6" via "$4"
	ip -n "$1" -6 route add "$7" via "$5"
}

# check_ping what address: five answers of five; before, one that makes everybody known.
check_ping() {
	local i
	for i in 1 2 3 4 5; do
		ip netns exec "$tag-a" ping -c 1 -W 1 "$2" >/dev/null 2>&1 && break
	done
	if ip netns exec "$tag-a" ping -c 5 -i 0.05 -W 2 "$2" >"$work/ping.out" 2>&1; then
		echo "ping $2, $1: $(grep -o '.*received' "$work/ping.out"), $(grep '^rtt' "$work/ping.out")"
	else
		fail "ping $2, $1: $(tail -n 2 "$work/ping.out" | tr '\n' ' ')"
	fi
}

# check_flow address: UDP from A to B, verified byte by byte.
check_flow() {
	ip netns exec "$tag-b" python3 "$here/udp_flow.py" receive "$1" 5001 "$count" >"$work/receiver.out" &
	local receiver=$!
	ip netns exec "$tag-a" python3 "$here/udp_flow.py" send "$1" 5001 "$count" || fail "UDP flow to $1"
	wait $receiver || fail "UDP flow to $1 at the far end"
	cat "$work/receiver.out"
}

run_route() {
	local i
	say "two veth ports, routed: A (10.98.1.2, fd98:1::2) - 10.98.1.1 vmheap 10.98.2.1 - B (10.98.2.2, fd98:2::2)"
	ip netns list 2>/dev/null | grep -q "^$tag-d\b" || ip netns add "$tag-d" || { fail "no network namespaces here"; return; }
	ip netns exec "$tag-d" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
	make_routed "$tag-a" 10.98.1.2 fd98:1::2 10.98.1.1 fd98:1::1 10.98.2.0/24 fd98:2::/64 02:00:00:00:00:1a ra &&
		make_routed "$tag-b" 10.98.2.2 fd98:2::2 10.98.2.1 fd98:2::1 10.98.1.0/24 fd98:1::/64 02:00:00:00:00:1b rb ||
		{ fail "veth pairs"; return; }
	write_config "  vdev net_af_packet0,iface=ra
  vdev net_af_packet1,iface=rb
  dev net_af_packet0 { name left }
  dev net_af_packet1 { name right }" "ip {
  address left 10.98.1.1/24   address left fd98:1::1/64
  address right 10.98.2.1/24  address right fd98:2::1/64
}"
	start_daemon ip netns exec "$tag-d" || return
	if [ $shell = 1 ]; then
		open_shell route
	else
		ctl trace add ethdev-rx 8
		check_ping "our near port" 10.98.1.1
		check_ping "our far port" 10.98.2.1
		check_ping "the other namespace" 10.98.2.2
		check_ping "our near port" fd98:1::1
		check_ping "our far port" fd98:2::1
		check_ping "the other namespace" fd98:2::2
		ip netns exec "$tag-a" ping -c 1 -t 1 -W 2 10.98.2.2 2>&1 | grep -i "exceeded" || fail "no ICMP time exceeded"
		ip netns exec "$tag-a" ping -c 1 -t 1 -W 2 fd98:2::2 2>&1 | grep -i "exceeded" || fail "no ICMPv6 time exceeded"
		check_flow 10.98.2.2
		check_flow fd98:2::2
		if [ $quiet = 0 ]; then
			for command in "show interface" "show interface address" "show ip fib" "show ip6 fib" \
				"show ip neighbors" "show errors" "show trace max 3" "show runtime"; do
				say "$command"
				ctl $command || fail "$command"
			done
		fi
	fi
	stop_daemon
}

run_pcap() {
	say "two net_pcap ports replaying captures made here"
	python3 "$here/pcap_flow.py" make "$work/in0.pcap" "$count" 1
	python3 "$here/pcap_flow.py" make "$work/in1.pcap" "$count" 2
	write_config "  vdev net_pcap0,rx_pcap=$work/in0.pcap,tx_pcap=$work/out0.pcap
  vdev net_pcap1,rx_pcap=$work/in1.pcap,tx_pcap=$work/out1.pcap" "xconnect { net_pcap0 net_pcap1 }"
	start_daemon || return
	if [ $shell = 1 ]; then
		open_shell pcap
	else
		compare_in_out
		show_all
	fi
	stop_daemon
	[ $shell = 1 ] && return
	python3 "$here/pcap_flow.py" compare "$work/in0.pcap" "$work/out1.pcap" || fail "port 0 to port 1"
	python3 "$here/pcap_flow.py" compare "$work/in1.pcap" "$work/out0.pcap" || fail "port 1 to port 0"
}

run_null() {
	local before after started
	say "two net_null ports for $seconds s: speed"
	write_config "  vdev net_null0
  vdev net_null1" "xconnect { net_null0 net_null1 }"
	start_daemon || return
	if [ $shell = 1 ]; then
		open_shell null
	else
		started=$(date +%s%N)
		before=$(port_sum tx_packets)
		sleep "$seconds"
		after=$(port_sum tx_packets)
		awk -v n=$((after - before)) -v ns=$(($(date +%s%N) - started)) \
			'BEGIN { printf "forwarded %.1f million packets, %.2f Mpps\n", n / 1e6, n * 1e3 / ns }'
		[ "$after" -gt "$before" ] || fail "net_null moved nothing"
		[ $quiet = 1 ] || ctl show runtime
	fi
	stop_daemon
}

for mode in $modes; do
	case $mode in
	veth | route | pcap | null) run_$mode ;;
	*) fail "unknown mode $mode: veth, route, pcap or null" ;;
	esac
	[ $shell = 1 ] && break
done
[ $failed = 0 ] && say "done: every check held" || say "done: something above FAILED"
exit $failed
