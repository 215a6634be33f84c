# SPDX-License-Identifier: Apache-2.0
"""Unmodified testpmd on our pools: devices x memory x IOVA mode x caches x where objects lie, each
process going through every forwarding mode.  After each: packets moved on each port in each mode,
and no buffer lost.

A process holds several devices, so that (device, memory), (mode, device) and (mode, memory) meet in
few processes; the other factors are chosen pairwise.  With the word `full` every combination runs.
What DPDK's own ring driver cannot do here either is left out, with what it said.
"""
import contextlib
import functools
import itertools
import os
import re
import shutil
import struct
import sys
import tempfile

from dpdk import RUN, Skip, Testpmd, hugetlbfs, main, need_driver, prefix, sh

MODES = ("io", "mac", "macswap", "csum", "txonly", "icmpecho", "rxonly")
MEMORIES = ("in-memory", "2M", "1G", "no-huge")
IOVAS = ("va", "pa")
CACHES = ("250", "0")
OPTIONS = ("arena=off", "arena=on", "accounting=on")
STRETCH_S = 0.12
AF_XDP = "net_af_xdp0,iface=v1,start_queue=0,queue_count=1"


def write_pcap(path):
    """32 frames of UDP over IPv4, and an echo request."""
    frame = bytes.fromhex("020000000002020000000001" "0800" "450000320001000040110000c0a80001c0a80002"
                          "04d204d2001e0000") + bytes(22)
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(32):
            f.write(struct.pack("<IIII", i, 0, len(frame), len(frame)) + frame)


@contextlib.contextmanager
def namespace(n_veths, name="ns"):
    """A network namespace with veth pairs v0-w0, v1-w1 ..., up and quiet."""
    name = prefix(name)
    try:
        sh("ip", "netns", "add", name)
    except Exception as e:
        raise Skip("no network namespaces here") from e
    inside = ["ip", "-n", name]
    try:
        for i in range(n_veths):
            sh(*inside, "link", "add", f"v{i}", "type", "veth", "peer", "name", f"w{i}")
            sh("ip", "netns", "exec", name, "sysctl", "-qw", f"net.ipv6.conf.v{i}.disable_ipv6=1",
               f"net.ipv6.conf.w{i}.disable_ipv6=1", check=False)
            sh(*inside, "link", "set", f"v{i}", "up")
            sh(*inside, "link", "set", f"w{i}", "up")
        yield name
    finally:
        sh("ip", "netns", "del", name, check=False)


def blast(netns, interfaces, n=64):
    """Frames from the kernel's side into each interface."""
    code = ("import socket,sys\n"
            "f=bytes.fromhex('ffffffffffff020000000001'+'0800'+'450000320001000040110000c0a80001c0a80002'"
            "+'04d204d2001e0000')+bytes(22)\n"
            "for i in sys.argv[1:]:\n"
            " s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW); s.bind((i,0))\n"
            f" for k in range({n}): s.send(f)\n")
    sh("ip", "netns", "exec", netns, sys.executable, "-c", code, *interfaces)


# ---- the groups of devices; each yields what is left over and what did not move ----

def start(name, memory, vdevs, **kw):
    """Our testpmd, or Skip when it does not start with DPDK's own ops either."""
    try:
        return Testpmd(name, memory, vdevs, **kw).wait_up()
    except AssertionError as ours:
        kw = {**kw, "ops": "ring_mp_mc", "options": ""}
        try:
            with Testpmd(name + "r", memory, vdevs, **kw) as theirs:
                theirs.wait_up()
                theirs.quit()
        except AssertionError as e:
            lines = [x for x in str(e).splitlines() if "rror" in x or "ail" in x or "annot" in x]
            raise Skip(f"ring_mp_mc does not start either: {(lines or ['?'])[0].strip()}") from e
        raise ours


def check_moved(who, mode, counts, n_ports):
    assert len(counts) == n_ports, f"{who}: {mode}: statistics of {len(counts)} ports, not {n_ports}"
    for port, (received, sent) in counts.items():
        # icmpecho answers echo requests alone, and sends nothing else on.
        moved = sent if mode == "txonly" else received if mode in ("rxonly", "icmpecho") else min(received, sent)
        assert moved, f"{who}: {mode}: port {port} received {received} and sent {sent}"


def check_pools(who, pools, n_kept=0):
    """n_kept: what the devices keep for good, with whichever mempool ops."""
    assert pools, f"{who}: no report of a pool"
    for name, (n, lost, bad) in pools.items():
        assert lost <= n_kept and bad == 0, f"{who}: pool {name} of {n}: {lost} lost, {bad} bad puts"


BURST = 32


@functools.cache
def kept_by_af_xdp():
    """Buffers in DPDK's fill ring when its port is closed are never freed: counted with ring_mp_mc.
    How full the ring is at that moment differs by a burst from run to run."""
    kw = {"ops": "ring_mp_mc", "options": "", "args": ("--mbcache=0",), "iova": "va"}
    with namespace(2, "nx") as netns, start("x", "in-memory", (AF_XDP,), netns=netns, **kw) as t:
        t.forward("io", 0, lambda: blast(netns, ("w1",)))
        for line in ("port stop all", "port close all"):
            t.command(line)
        text = t.command("dump_mempool mb_pool_0")
        t.quit()
    size, free = (int(re.search(rf"\b{word}=(\d+)", text).group(1)) for word in ("populated_size", "common_pool_count"))
    print(f"  af_xdp keeps {size - free} buffers of a ring_mp_mc pool")
    return size - free + BURST


def run_software(memory, modes, kw):
    """null, ring and pcap."""
    work = tempfile.mkdtemp(prefix="vmheap-pcap-", dir=RUN)
    try:
        write_pcap(f"{work}/in.pcap")
        vdevs = ("net_null0", "net_ring0",
                 f"net_pcap0,rx_pcap={work}/in.pcap,infinite_rx=1,tx_pcap={work}/out.pcap")
        with start("s", memory, vdevs, **kw) as t:
            for mode in modes:
                check_moved("null, ring, pcap", mode, t.forward(mode, STRETCH_S, tx_first=True), 3)
            check_pools("null, ring, pcap", t.quit())
    finally:
        shutil.rmtree(work)


def run_kernel(memory, modes, kw):
    """tap, af_packet and af_xdp, in a namespace; the kernel sends."""
    with namespace(2) as netns:
        vdevs = ("net_tap0,iface=dtap0", "net_af_packet0,iface=v0", AF_XDP)
        with start("k", memory, vdevs, netns=netns, **kw) as t:
            sh("ip", "-n", netns, "link", "set", "dtap0", "up")
            for mode in modes:
                counts = t.forward(mode, STRETCH_S, lambda: blast(netns, ("dtap0", "w0", "w1")))
                check_moved("tap, af_packet, af_xdp", mode, counts, 3)
            check_pools("tap, af_packet, af_xdp", t.quit(), kept_by_af_xdp())


def run_pair(who, memory, modes, kw, server, client, client_kw):
    """Two processes, the second one sending all the time."""
    kw = {**kw, "lcores": "0@0,1@0"}
    with start("p", memory, (server,), **kw) as t:
        client_words = {**kw, "lcores": "0@1,1@1", **client_kw}
        with start("q", memory, (client,), **client_words) as c:
            # flowgen frees what comes and sends new ones: neither direction ever fills up.
            c.command("set fwd flowgen")
            c.command("start")
            for mode in modes:
                counts = {}
                for _ in range(20):  # the link comes up in its own time
                    counts = t.forward(mode, STRETCH_S)
                    if all(max(c) for c in counts.values()):
                        break
                check_moved(who, mode, counts, 1)
            c.command("stop")
            check_pools(f"{who} (client)", c.quit())
        check_pools(who, t.quit())


def run_memif(memory, modes, kw):
    path = f"{RUN}/{prefix('m')}.sock"
    vdev = f"id=0,socket={path},socket-abstract=no"
    try:
        run_pair("memif", memory, modes, kw, f"net_memif0,role=server,{vdev}",
                 f"net_memif0,role=client,{vdev}", {})
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def run_vhost(memory, modes, kw):
    if memory == "no-huge":
        raise Skip("virtio_user shares hugepages with vhost, and there are none")
    path = f"{RUN}/{prefix('v')}.sock"
    client = {"single_file": True}
    if "arena=on" in kw["options"]:
        # virtio_user tells vhost of EAL's own memory alone; vhost copies, so ours does there.
        client["options"] = kw["options"].replace("arena=on", "arena=off")
    try:
        run_pair("vhost, virtio_user", memory, modes, kw, f"net_vhost0,iface={path}",
                 f"net_virtio_user0,path={path},queues=1", client)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


PAIRED = ("memif", "vhost")
GROUPS = {"software": run_software, "kernel": run_kernel, "memif": run_memif, "vhost": run_vhost}


# ---- which combinations ----

def is_possible(c):
    group, memory, iova, _, _ = c
    return not (memory == "no-huge" and (iova == "pa" or group == "vhost"))


def pairs_of(c):
    return {(i, c[i], j, c[j]) for i, j in itertools.combinations(range(len(c)), 2)}


def pairwise(combinations):
    """Greedy: the combination with most pairs that no chosen one has, until all are had."""
    missing = set().union(*(pairs_of(c) for c in combinations))
    chosen = []
    while missing:
        best = max(combinations, key=lambda c: len(pairs_of(c) & missing))
        missing -= pairs_of(best)
        chosen.append(best)
    return chosen


def run_combination(c):
    group, memory, iova, cache, options = c
    need_driver()
    kw = {"iova": iova, "args": (f"--mbcache={cache}",), "options": f"report=on,{options}"}
    with contextlib.ExitStack() as stack:
        if memory in ("2M", "1G"):
            # One for each process, and one to spare: vhost maps more, and others take pages too.
            n_processes = 2 if group in PAIRED else 1
            n_pages = n_processes + 1 if memory == "1G" else 96 * n_processes
            kw["folder"] = stack.enter_context(hugetlbfs(memory, n_pages))
        GROUPS[group](memory, MODES, kw)


def case(c):
    def run():
        run_combination(c)
    return run


ALL = [c for c in itertools.product(GROUPS, MEMORIES, IOVAS, CACHES, OPTIONS) if is_possible(c)]
FULL = "full" in sys.argv
if FULL:
    sys.argv.remove("full")
for _c in ALL if FULL else pairwise(ALL):
    globals()["test_" + "_".join(_c).replace("=", "_").replace("-", "_")] = case(_c)

main()
