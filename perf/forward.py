#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Question: how many packets a second does one worker move between two net_null ports, beside
dpdk-testpmd doing the same?  And how many does testpmd itself move on our pools, loaded by -d, beside
DPDK's own mempool drivers, with DPDK's per-lcore cache above them and without?

Method: rounds, each with one run of every configuration, so that a noisy minute hits all; main on
CPU 0, the forwarding core is the last CPU; packets counted by both programs' own counters over
WINDOW_S, for the drop-in per second of the forwarding lcore's CPU time.  Unit: million packets a
second over both ports; the ratios of medians to testpmd io and macswap.
"""
import functools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(os.environ.get("PERF_ROUNDS", "5"))
WINDOW_S = 2.0
CPU = max(os.sched_getaffinity(0))


def huge_pages_free():
    try:
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") as f:
            return int(f.read())
    except OSError:
        return 0


HUGE = huge_pages_free() >= 200
DRIVER = ""


def vmheap(build):
    with tempfile.TemporaryDirectory(prefix="vmheap-perf-") as work:
        socket = os.path.join(work, "cli.sock")
        with open(os.path.join(work, "startup.conf"), "w") as f:
            f.write(
                f"unix {{ cli-listen {socket} }}\n"
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
            ctl = [f"{build}/src/cli/vmheapctl", "-s", socket]
            for _ in range(100):
                if subprocess.run(ctl + ["show", "version"], capture_output=True).returncode == 0:
                    break
                time.sleep(0.1)

            def sent():
                out = subprocess.run(ctl + ["-j", "show", "interface"], capture_output=True, check=True).stdout
                return time.monotonic(), sum(i["tx_packets"] for i in json.loads(out)["interfaces"])

            time.sleep(0.5)
            (t0, n0), _ = sent(), time.sleep(WINDOW_S)
            t1, n1 = sent()
            return (n1 - n0) / (t1 - t0) / 1e6
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(20)


def worker_seconds(pid):
    """CPU time of the forwarding lcore: what a busy machine takes away does not count."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as f:
            head, tail = f.read().rsplit(")", 1)
        if "worker" in head:
            return sum(int(n) for n in tail.split()[11:13]) / os.sysconf("SC_CLK_TCK")
    return 0


def testpmd(mode, ops=None, cache=None):
    memory = ["--in-memory"] if HUGE else ["--no-huge", "-m", "256", "--no-shconf"]
    command = ["dpdk-testpmd", "-l", f"0,{CPU}", "--main-lcore", "0", "--no-pci", *memory]
    command += ["-d", DRIVER] if ops == "vmheap" else []
    command += [f"--mbuf-pool-ops-name={ops}"] if ops else []
    command += [f"--file-prefix=perf{os.getpid()}", "--vdev=net_null0", "--vdev=net_null1", "--"]
    command += ["--total-num-mbufs=16384", "--stats-period=1", f"--forward-mode={mode}"]
    command += [f"--mbcache={cache}"] if cache is not None else []
    p = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    time.sleep(WINDOW_S + 2.5)
    seconds = worker_seconds(p.pid)
    p.send_signal(signal.SIGINT)
    out = p.communicate(timeout=20)[0]
    if ops:
        sent = [int(n) for n in re.findall(r"TX-packets:\s+(\d+)", out.split("Accumulated")[-1])]
        return sum(sent) / (seconds or 1) / 1e6
    # One "Tx-pps" a port and second; the first second holds start-up.
    rates = [int(n) for n in re.findall(r"Tx-pps:\s+(\d+)", out)]
    seconds = [sum(rates[i : i + 2]) for i in range(0, len(rates) - 1, 2)]
    return statistics.median(seconds[2:] or seconds or [0]) / 1e6


def main():
    global DRIVER  # pylint: disable=global-statement
    build = sys.argv[1]
    DRIVER = f"{os.path.abspath(build)}/src/plugins/driver/librte_mempool_vmheap.so"
    cases = {
        "vmheap xconnect": lambda: vmheap(build),
        "testpmd io": lambda: testpmd("io"),
        "testpmd macswap": lambda: testpmd("macswap"),
    }
    dropin = {
        f"testpmd io {ops} cache={cache}": functools.partial(testpmd, "io", ops, cache)
        for cache in (0, 250)
        for ops in ("ring_mp_mc", "stack", "lf_stack", "vmheap")
    }
    cases |= dropin
    if len(sys.argv) > 2 and sys.argv[2] == "dropin":
        cases = dropin
    rates = {name: [] for name in cases}
    for round_ in range(ROUNDS):
        for name, run in cases.items():
            print(f"\rforward: round {round_ + 1}/{ROUNDS}: {name:20}", end="", file=sys.stderr, flush=True)
            rates[name].append(run())
    print("\r" + " " * 50 + "\r", end="", file=sys.stderr)
    io, macswap = (statistics.median(rates.get(f"testpmd {mode}", [1])) or 1 for mode in ("io", "macswap"))
    for name, values in rates.items():
        median = statistics.median(values)
        print(
            f"forward case={name.replace(' ', '_')} page={'2M' if HUGE else '4K'} rounds={ROUNDS} "
            f"mpps_min={min(values):.1f} mpps_median={median:.1f} mpps_max={max(values):.1f} "
            f"ratio_to_testpmd_io={median / io:.2f} ratio_to_testpmd_macswap={median / macswap:.2f}"
        )
    for cache in (0, 250):
        best, ours = None, statistics.median(rates[f"testpmd io vmheap cache={cache}"])
        for ops in ("ring_mp_mc", "stack", "lf_stack"):
            best = max(best or (0, ""), (statistics.median(rates[f"testpmd io {ops} cache={cache}"]), ops))
        print(f"dropin cache={cache} vmheap_mpps={ours:.1f} best={best[1]} best_mpps={best[0]:.1f} "
              f"ratio={ours / (best[0] or 1):.2f}")
    return 0


sys.exit(main())
