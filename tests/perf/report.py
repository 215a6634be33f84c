#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of allocators runs over every peer that is here, and the report holds all of it.

usage: report.py BUILD SOURCE

Tiny rounds, no look at the time they took.  Held: each workload has a line of each allocator that
takes part in it, with sane figures or the reason for none; curves reach the points file; the report is
well-formed, shows every result with its chart, table and command, and fetches nothing; the CSV
has every figure.  Each check is a TAP line.
"""
import csv
import os
import re
import shlex
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

build, source = sys.argv[1], sys.argv[2]
sys.path.insert(0, os.path.join(source, "perf"))
BENCH = os.path.join(build, "perf", "bench_malloc")
WORKLOADS = ("pair", "burst", "replace", "cross", "scale_pair", "scale_replace", "push", "fragmentation", "latency", "pages")
# What is in some workloads only.
SPECIAL = {"touch", "mheap_inlined", "mheap_later", "mheap_bulk", "vec"}
# Lines of the other benchmarks, as they print them.
OTHERS = """# [2] bench_vmem
empty n=131072 rounds=15 ns_min=0.35 ns_median=0.36 ns_max=0.41
vmem_pair size=256 policy=instant n=131072 rounds=15 ns_min=81.69 ns_median=81.95 ns_max=103.71
glibc_pair size=256 n=131072 rounds=15 ns_min=10.79 ns_median=10.96 ns_max=11.94
vmem_pause free policy=instant segments=1000000 rounds=7 ns_median=611 ns_p99=1132 ns_p999=1403 ns_max=63639
vmem_pause others index=in_words calls=5760362 ns_p99=4096
# [3] bench_kmem
kmem_pair size=256 checked n=16384 rounds=15 ns_min=3.38 ns_median=3.87 ns_max=5.94
# [4] forward
forward case=testpmd_io page=2M rounds=5 mpps_min=73.4 mpps_median=79.4 mpps_max=80.2 ratio_to_testpmd_io=1.00
forward case=vmheap_xconnect page=2M rounds=5 mpps_min=52.0 mpps_median=53.9 mpps_max=54.3 ratio_to_testpmd_io=0.68
# a remark with <angle brackets> & an ampersand
"""
n_checks = n_failed = 0


def check(is_right, what):
    global n_checks, n_failed
    n_checks += 1
    n_failed += not is_right
    print(f"{'ok' if is_right else 'not ok'} {n_checks} - {what}")


def report(results, points, folder):
    """(status, HTML, CSV rows) of a report on such results."""
    html, table = os.path.join(folder, "report.html"), os.path.join(folder, "results.csv")
    command = [sys.executable, os.path.join(source, "perf", "report.py"), "--results", results, "--html", html, "--csv", table]
    made = subprocess.run(command + (["--points", points] if points else []), check=False, capture_output=True, text=True)
    if made.returncode:
        print("# " + made.stderr.strip().replace("\n", "\n# "))
        return made.returncode, "", []
    with open(html, encoding="utf-8") as f, open(table, encoding="utf-8", newline="") as g:
        return 0, f.read(), list(csv.DictReader(g))


def check_bench(out, peers):
    lines = [shlex.split(line) for line in out.splitlines() if line.startswith("malloc_")]
    for workload in WORKLOADS:
        by = {w[1].partition("=")[2] for w in lines if w[0] == f"malloc_{workload}"}
        missing = [p for p in peers if p not in by and p not in SPECIAL]
        check(not missing, f"malloc_{workload} over {len(by)} allocators{', but not ' + ' '.join(missing) if missing else ''}")
    bad = []
    for words in lines:
        figures = dict(w.partition("=")[::2] for w in words if w.startswith(("ns_", "ratio_", "peak_r")))
        none = [w for w in words if w.startswith("none=")]
        if not none and (not figures or any(float(v) <= 0 for v in figures.values())):
            bad.append(" ".join(words))
        if none and words[0] != "malloc_pages":
            bad.append(" ".join(words))
    check(not bad, f"each line has figures{', but: ' + bad[0] if bad else ''}")
    return lines


def check_report(lines, status, html, table):
    check(status == 0, "a report is made")
    try:
        ElementTree.fromstring(html.split("\n", 1)[1])
        check(True, "it is well-formed")
    except (ElementTree.ParseError, IndexError) as error:
        check(False, f"it is well-formed: {error}")
    outside = re.findall(r"(?:src|href|url|xlink:href)\s*[=(]\s*[\"']?(?!#)[^\s\"')]+|https?://[^\s\"'<]+|@import", html)
    check(not outside, f"it fetches nothing{', but: ' + outside[0] if outside else ''}")
    cells = re.sub(r"<[^>]*>", " ", html)
    missing = [w for w in lines if f"<td>{w[1].partition('=')[2]}</td>" not in html]
    check(not missing, "each allocator has its rows")
    n_rows = sum(html.count(f"<td>{by}</td><td>") for by in {w[1].partition("=")[2] for w in lines})
    check(n_rows >= len(lines), f"each of {len(lines)} results has a row ({n_rows})")
    for words in ("vmem instant", "vmem_pause", "kmem", "testpmd_io", "vmheap_xconnect", "&lt;angle brackets&gt; &amp;"):
        check(words in html or words in cells, f"'{words}' of the other benchmarks is in it")
    n_charts = html.count('class="chart"')
    check(n_charts >= 12 and html.count("<table>") >= n_charts, f"{n_charts} charts have a table each")
    check(html.count("Made by <code>") >= n_charts, "and the command that made them")
    n_figures = sum(1 for w in lines for x in w[1:] if re.match(r"(ns|cycles|instr|peak|rss|freed|trimmed|live_freed|ratio)_?\w*=", x))
    n_csv = sum(1 for r in table if r["bench"] == "bench_malloc" and r["figure"] != "none" and not r["name"].endswith("_point"))
    check(n_csv == n_figures, f"the CSV has all {n_figures} figures ({n_csv})")


def main():
    listed = subprocess.run([BENCH, "--list"], check=True, capture_output=True, text=True).stdout
    peers = [line.split()[0] for line in listed.splitlines() if not line.startswith("#")]
    check({"mheap", "glibc", "touch"} <= set(peers), f"allocators here: {' '.join(peers)}")
    for line in listed.splitlines():
        if line.startswith("# malloc: no "):
            print("# " + line[2:])
    with tempfile.TemporaryDirectory(prefix="vmheap-report-") as folder:
        results, points = os.path.join(folder, "results.txt"), os.path.join(folder, "points.txt")
        run = subprocess.run([BENCH, "--quick", "--points", points], check=False, capture_output=True, text=True)
        check(run.returncode == 0, f"the benchmark ends well ({run.returncode})")
        lines = check_bench(run.stdout, peers)
        with open(points, encoding="utf-8") as f:
            kept = f.read()
        check("malloc_latency_point by=glibc" in kept and "malloc_fragmentation_point by=glibc" in kept, "curves are kept")
        with open(results, "w", encoding="utf-8") as f:
            f.write("# machine: here\n# [1] bench_malloc\n" + run.stdout + OTHERS)
        check_report(lines, *report(results, points, folder))
        # One benchmark alone, and nothing at all.
        with open(results, "w", encoding="utf-8") as f:
            f.write(OTHERS)
        status, html, _ = report(results, None, folder)
        check(status == 0 and "testpmd_io" in html, "a report without bench_malloc")
        with open(results, "w", encoding="utf-8") as f:
            f.write("# nothing\n")
        check(report(results, None, folder)[0] == 1, "nothing to report is an error")
    print(f"1..{n_checks}")
    return 1 if n_failed else 0


sys.exit(main())
