#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Question: how many packets a second does one worker move between two net_null ports, beside
dpdk-testpmd doing the same?

Method: rounds, each with one run of every configuration, so that a noisy minute hits all; main on
CPU 0, the forwarding core is the last CPU; packets counted by both programs' own counters over
WINDOW_S.  Unit: million packets a second over both ports; the ratio of medians to testpmd io.
"""
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


def testpmd(mode):
    memory = ["--in-memory"] if HUGE else ["--no-huge", "-m", "256", "--no-shconf"]
    command = ["dpdk-testpmd", "-l", f"0,{CPU}", "--main-lcore", "0", "--no-pci", *memory]
    command += [f"--file-prefix=perf{os.getpid()}", "--vdev=net_null0", "--vdev=net_null1", "--"]
    command += ["--total-num-mbufs=16384", "--stats-period=1", f"--forward-mode={mode}"]
    p = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    time.sleep(WINDOW_S + 2.5)
    p.send_signal(signal.SIGINT)
    out = p.communicate(timeout=20)[0]
    # One "Tx-pps" a port and second; the first second holds start-up.
    rates = [int(n) for n in re.findall(r"Tx-pps:\s+(\d+)", out)]
    seconds = [sum(rates[i : i + 2]) for i in range(0, len(rates) - 1, 2)]
    return statistics.median(seconds[2:] or seconds or [0]) / 1e6


def main():
    build = sys.argv[1]
    cases = {
        "vmheap xconnect": lambda: vmheap(build),
        "testpmd io": lambda: testpmd("io"),
        "testpmd macswap": lambda: testpmd("macswap"),
    }
    rates = {name: [] for name in cases}
    for round_ in range(ROUNDS):
        for name, run in cases.items():
            print(f"\rforward: round {round_ + 1}/{ROUNDS}: {name:20}", end="", file=sys.stderr, flush=True)
            rates[name].append(run())
    print("\r" + " " * 50 + "\r", end="", file=sys.stderr)
    yardstick = statistics.median(rates["testpmd io"]) or 1
    for name, values in rates.items():
        median = statistics.median(values)
        print(
            f"forward case={name.replace(' ', '_')} page={'2M' if HUGE else '4K'} rounds={ROUNDS} "
            f"mpps_min={min(values):.1f} mpps_median={median:.1f} mpps_max={max(values):.1f} "
            f"ratio_to_testpmd_io={median / yardstick:.2f}"
        )
    return 0


sys.exit(main())
