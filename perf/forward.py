#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Question: how many packets a second does one worker move between two net_null ports, beside
dpdk-testpmd doing the same?  What do watched buffers (buffer-trace on) cost of that?  And how many does
testpmd itself move on our pools, loaded by -d, beside DPDK's own mempool drivers, with DPDK's per-lcore
cache above them and without?

Method: rounds, each with one run of every configuration, so that a noisy minute hits all; main on
CPU 0, the forwarding core is the last CPU; packets counted by the ports, over WINDOW_S, per second of
the forwarding thread's CPU time, so that what a busy machine takes away does not count.  Watched and
not are windows of one run, in turn; bench_graph has them nearer to each other still.  Unit: million packets a second over both ports; the ratios of
medians to testpmd io and macswap.

    forward.py BUILD [road | dropin]        road: the daemon, and testpmd io and macswap
"""
import functools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(os.environ.get("PERF_ROUNDS", "5"))
WINDOW_S = 2.0
# Of one daemon, half of them with buffer-trace on.
TRACE_WINDOWS, TRACE_WINDOW_S = 8, 0.7
CPU = max(os.sched_getaffinity(0))


def huge_pages_free():
    try:
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") as f:
            return int(f.read())
    except OSError:
        return 0


HUGE = huge_pages_free() >= 200
DRIVER = ""
PEERS = ("ring_mp_mc", "stack", "lf_stack")


def cpu_seconds(pid, name):
    """CPU time of a process's thread with this in its name, to the nanosecond where the kernel tells."""
    for task in os.listdir(f"/proc/{pid}/task"):
        folder = f"/proc/{pid}/task/{task}"
        with open(f"{folder}/comm", encoding="ascii") as f:
            if name not in f.read():
                continue
        try:
            with open(f"{folder}/schedstat", encoding="ascii") as f:
                return int(f.read().split()[0]) / 1e9
        except OSError:
            with open(f"{folder}/stat", encoding="ascii") as f:
                return sum(int(n) for n in f.read().rsplit(")", 1)[1].split()[11:13]) / os.sysconf("SC_CLK_TCK")
    return 0


def window(pid, sent, seconds=WINDOW_S):
    """Million packets a second of the worker's CPU time."""
    t0, n0 = cpu_seconds(pid, "worker"), sent()
    time.sleep(seconds)
    t1, n1 = cpu_seconds(pid, "worker"), sent()
    return (n1 - n0) / ((t1 - t0) or 1) / 1e6


def vmheap(build, ratios):
    """Rates without and with the default trace; of each two neighbours the ratio goes into ratios."""
    with tempfile.TemporaryDirectory(prefix="vmheap-perf-") as work:
        socket_path = os.path.join(work, "cli.sock")
        with open(os.path.join(work, "startup.conf"), "w", encoding="ascii") as f:
            f.write(
                f"unix {{ cli-listen {socket_path} }}\n"
                f"cpu {{ main-core 0 corelist-workers {CPU} }}\n"
                f"plugins {{ path {os.path.abspath(build)}/src/plugins }}\n"
                "buffers { buffers-per-numa 16384 }\n"
                f"dpdk {{ no-pci {'' if HUGE else 'no-huge'} vdev net_null0 vdev net_null1 }}\n"
                "xconnect { net_null0 net_null1 }\n"
            )
        daemon = subprocess.Popen(
            [f"{build}/src/cli/vmheap", "-c", f.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            ctl = [f"{build}/src/cli/vmheapctl", "-s", socket_path]
            for _ in range(100):
                if subprocess.run(ctl + ["show", "version"], capture_output=True, check=False).returncode == 0:
                    break
                time.sleep(0.1)

            def sent():
                out = subprocess.run(ctl + ["-j", "show", "interface"], capture_output=True, check=True).stdout
                return sum(i["tx_packets"] for i in json.loads(out)["interfaces"])

            time.sleep(0.5)
            rates = {"off": [], "on": []}
            for i in range(TRACE_WINDOWS):
                switch = ("off", "on")[i % 2]
                subprocess.run(ctl + ["buffer-trace", switch], capture_output=True, check=True)
                rates[switch].append(window(daemon.pid, sent, TRACE_WINDOW_S))
            ratios += [on / (off or 1) for on, off in zip(rates["on"], rates["off"])]
            return {"vmheap xconnect": statistics.mean(rates["off"]),
                    "vmheap xconnect trace=on": statistics.mean(rates["on"])}
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(20)


def telemetry(prefix, command):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(5)
        s.connect(f"/var/run/dpdk/{prefix}/dpdk_telemetry.v2")
        s.recv(16384)
        s.send(command.encode())
        return json.loads(s.recv(16384))[command.split(",")[0]]


def testpmd(mode, ops=None, cache=None, accounted=False):
    prefix = f"perf{os.getpid()}"
    memory = ["--in-memory"] if HUGE else ["--no-huge", "-m", "256", "--no-shconf"]
    command = ["dpdk-testpmd", "-l", f"0,{CPU}", "--main-lcore", "0", "--no-pci", *memory]
    command += ["-d", DRIVER] if ops == "vmheap" else []
    command += [f"--mbuf-pool-ops-name={ops}"] if ops else []
    command += [f"--file-prefix={prefix}", "--vdev=net_null0", "--vdev=net_null1", "--"]
    command += ["--total-num-mbufs=16384", "--stats-period=1", f"--forward-mode={mode}"]
    command += [f"--mbcache={cache}"] if cache is not None else []
    words = {"VMHEAP_DRIVER": "accounting=on"} if accounted else {}
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         env={**os.environ, **words})

    def sent():
        return sum(telemetry(prefix, f"/ethdev/stats,{port}")["opackets"] for port in (0, 1))

    try:
        for _ in range(100):
            try:
                if sent():
                    break
            except (OSError, ValueError, KeyError, TypeError):
                pass
            time.sleep(0.1)
        time.sleep(0.5)
        name = f"testpmd {mode}" + (f" {ops} cache={cache}" if ops else "") + (" accounting=on" if accounted else "")
        return {name: window(p.pid, sent)}
    finally:
        p.send_signal(signal.SIGINT)
        p.wait(20)


def print_dropin(medians):
    for cache in (0, 250):
        plain, accounted = (medians[f"testpmd io vmheap cache={cache}{words}"] for words in ("", " accounting=on"))
        print(f"dropin accounting=on cache={cache} ratio_to_off={accounted / (plain or 1):.2f}")
    for cache in (0, 250):
        ours = medians[f"testpmd io vmheap cache={cache}"]
        best = max((medians[f"testpmd io {ops} cache={cache}"], ops) for ops in PEERS)
        print(f"dropin cache={cache} vmheap_mpps={ours:.1f} best={best[1]} best_mpps={best[0]:.1f} "
              f"ratio={ours / (best[0] or 1):.2f}")


def main():
    global DRIVER  # pylint: disable=global-statement
    build = sys.argv[1]
    what = sys.argv[2:3] or ["road", "dropin"]
    DRIVER = f"{os.path.abspath(build)}/src/plugins/driver/librte_mempool_vmheap.so"
    runs, trace_ratios = [], []
    if "road" in what:
        runs += [functools.partial(vmheap, build, trace_ratios), functools.partial(testpmd, "io"),
                 functools.partial(testpmd, "macswap")]
    if "dropin" in what:
        runs += [functools.partial(testpmd, "io", ops, cache) for cache in (0, 250) for ops in PEERS + ("vmheap",)]
        runs += [functools.partial(testpmd, "io", "vmheap", cache, True) for cache in (0, 250)]
    rates = {}
    for round_ in range(ROUNDS):
        for i, run in enumerate(runs):
            print(f"\rforward: round {round_ + 1}/{ROUNDS}, run {i + 1}/{len(runs)}", end="", file=sys.stderr,
                  flush=True)
            for name, rate in run().items():
                rates.setdefault(name, []).append(rate)
    print("\r" + " " * 50 + "\r", end="", file=sys.stderr)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        ratios = "".join(
            f" ratio_to_testpmd_{mode}={medians[name] / (medians[f'testpmd {mode}'] or 1):.2f}"
            for mode in ("io", "macswap") if "road" in what)
        print(
            f"forward case={name.replace(' ', '_')} page={'2M' if HUGE else '4K'} rounds={ROUNDS} "
            f"mpps_min={min(values):.1f} mpps_median={medians[name]:.1f} mpps_max={max(values):.1f}{ratios}"
        )
    if "road" in what:
        print(f"trace sample=256 ratio_on_to_off={statistics.median(trace_ratios):.3f} pairs={len(trace_ratios)}")
    if "dropin" in what:
        print_dropin(medians)
    return 0


if __name__ == "__main__":
    sys.exit(main())
