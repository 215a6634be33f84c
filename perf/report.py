#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The report of a run of the benchmarks: one HTML file without network, a CSV, PNGs if gnuplot is there.

usage: report.py --results FILE [--points FILE] --html FILE [--csv FILE] [--png FOLDER]

Results are the benchmarks' lines, points the curves that bench_malloc kept beside them.  Ratios are
to the best of glibc, jemalloc, mimalloc and tcmalloc in the same row of the same run.
"""
import argparse
import os
import sys
from xml.sax.saxutils import escape

import report_png
from report_read import read, write_csv
from report_svg import DEFS, OURS, PEERS, STYLES, bars, lines, number

CSS = """
:root { --bg: #ffffff; --fg: #1b1f24; --soft: #59636e; --rule: #d6dce2; --mark: #eaf2ff;
  --c0: #9aa3ad; --c1: #0b57d0; --c2: #4b8df8; --c3: #093b8c; --c4: #b3541e; --c5: #2f7d32;
  --c6: #8e3aa8; --c7: #b58900; --c8: #b3261e; --hatch: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --bg: #14171a; --fg: #e6e9ec; --soft: #a3adb8; --rule: #343b43; --mark: #16263f;
  --c0: #77808a; --c1: #6aa5ff; --c2: #a8ccff; --c3: #3f7fe0; --c4: #f0975f; --c5: #74c878;
  --c6: #d58bec; --c7: #e6c14c; --c8: #ff8a80; --hatch: #14171a; } }
body { background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { margin-top: 3rem; border-bottom: 1px solid var(--rule); } h3 { margin: 2.2rem 0 .3rem; font-size: 1.05rem; }
p.note, .tick { color: var(--soft); } nav a { margin-right: 1rem; } a { color: var(--c1); }
pre, code { font: 12.5px/1.45 ui-monospace, monospace; } pre { overflow-x: auto; border: 1px solid var(--rule); padding: .6rem .8rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; margin: .4rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--rule); padding: .18rem .6rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } td.best, th.ours { font-weight: 700; } tr.ours { background: var(--mark); }
summary { cursor: pointer; color: var(--soft); font-size: 13px; } svg.defs { position: absolute; } svg.chart { width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--fg); } svg text.tick { fill: var(--soft); font-size: 11px; } svg text.ours { font-weight: 700; }
.grid { stroke: var(--rule); stroke-width: 1; fill: none; } .hatch { stroke: var(--hatch); stroke-width: 1.3; fill: none; } .hatch-dot { fill: var(--hatch); }
.line { fill: none; stroke-width: 1.6; } .line.ours { stroke-width: 2.6; } .leader { stroke: var(--rule); fill: none; }
.bar.hollow { fill: none; stroke: var(--c0); stroke-width: 1.5; stroke-dasharray: 3 2; }
""" + "".join(f".c{i} {{ fill: var(--c{i}); }} .s{i} {{ stroke: var(--c{i}); }}\n" for i in range(9))

NAMES = {
    "malloc_pair": "One object, got and put",
    "malloc_burst": "Bursts of 32 objects",
    "malloc_replace": "Replacing random objects",
    "malloc_cross": "Got by one thread, put by another",
    "malloc_push": "Pushing onto vectors that grow",
    "malloc_scale_pair": "Two threads: pairs",
    "malloc_scale_replace": "Two threads: replacing",
}
INTROS = {
    "bench_containers": "Vectors, pools, bitmaps and fifos beside plain arrays, malloc and glib.",
    "bench_forward": "Million packets a second that one worker moves between two net_null ports.",
    "bench_format": "The same text by format() and by snprintf().",
    "bench_graph": "A packet through our graph, beside loops without one; buffers watched and not.",
    "bench_hash": "The hash beside glib's.",
    "bench_kmem": "Object caches and per-thread counters beside glibc.",
    "bench_mheap": "The heap beside glibc in one process, statically called; bench_malloc compares more widely.",
    "bench_pages": "Blocks of pages beside aligned_alloc(); addresses to frames.",
    "bench_pool": "The packet-buffer pool beside rte_mempool.",
    "bench_vmem": "vmem's policies beside malloc.",
}


def table(head, rows, ours=()):
    out = ['<div class="scroll"><table><thead><tr>']
    out += [f'<th{" class=" + chr(34) + "ours" + chr(34) if h in OURS else ""}>{escape(h)}</th>' for h in head]
    out.append("</tr></thead><tbody>")
    for i, row in enumerate(rows):
        out.append('<tr class="ours">' if i in ours else "<tr>")
        for cell in row:
            is_best = isinstance(cell, tuple)
            out.append(f'<td{" class=" + chr(34) + "best" + chr(34) if is_best else ""}>{escape(cell[0] if is_best else cell)}</td>')
        out.append("</tr>")
    out.append("</tbody></table></div>")
    return "".join(out)


def figure_table(rows):
    """Every figure of every row, and the parameters that differ."""
    keys = []
    for r in rows:
        keys += [k for k in r.figures if k not in keys]
    body = []
    for r in rows:
        figures = [number(r.figures.get(k)) for k in keys]
        if r.none:
            figures = [r.none] + [""] * (len(keys) - 1)
        body.append([r.name, r.by, " ".join(r.params), *figures, r.n or "", r.rounds or ""])
    return table(["name", "by", "parameters", *keys, "n", "rounds"], body, {i for i, r in enumerate(rows) if r.by in OURS})


def section(title, chart, details, command, note=""):
    """A chart, its table, what made it."""
    return (
        f"<h3>{escape(title)}</h3>"
        + (f'<p class="note">{escape(note)}</p>' if note else "")
        + chart
        + f'<details open="open"><summary>Figures</summary>{details}</details>'
        + f"<p class=\"note\">Made by <code>{escape(command)}</code></p>"
    )


def groups(rows):
    out = {}
    for r in rows:
        out.setdefault(r.group, []).append(r)
    return out


def best_peer(rows, key):
    values = [r.figures[key] for r in rows if r.by in PEERS and r.figures.get(key)]
    return min(values) if values else None


def ratio(value, best):
    return value / best if value is not None and best else None


def instructions(r):
    n = r.figures.get("instr_median", r.figures.get("instr"))
    return f", {n:.0f} instr" if n is not None else ""


def malloc_times(rows):
    """A panel per workload: bars are ratios, ns beside them."""
    out = []
    for group, members in groups(r for r in rows if r.name in NAMES and "scale" not in r.name).items():
        best = best_peer(members, "ns_median")
        bar_rows = []
        for r in members:
            value = r.figures.get("ns_median")
            bar_rows.append((r.by, ratio(value, best) if best else value, f"\u00d7, {number(value)} ns{instructions(r)}" if value is not None and best else r.none or " ns"))
        params = group.split(" ", 1)[1] if " " in group else ""
        unit = "median, ratio to the best peer" if best else "median ns"
        out.append(section(f"{NAMES[members[0].name]}: {params}", bars(group, bar_rows, unit), figure_table(members), f"build/perf/bench_malloc --instructions --only {members[0].name}"))
    return "".join(out)


def malloc_scale(rows):
    out = []
    for group, members in groups(r for r in rows if "malloc_scale" in r.name).items():
        bar_rows = [(r.by, r.figures.get("ratio_median"), r.none or f"\u00d7, {number(r.figures['ns_median'])} to {number(r.figures['ns_of_two_median'])} ns") for r in members]
        out.append(section(NAMES[members[0].name] + ": " + group.split(" ", 1)[1], bars(group, bar_rows, "time per operation of two threads to that of one"), figure_table(members), f"build/perf/bench_malloc --only {members[0].name}"))
    return "".join(out)


def malloc_fragmentation(rows, points):
    members = [r for r in rows if r.name == "malloc_fragmentation"]
    if not members:
        return ""
    curves = {}
    for r in points:
        if r.name == "malloc_fragmentation_point":
            curves.setdefault(r.by, []).append((float(r.param("allocated")) / 2**20, r.figures["rss"] / 2**20))
            curves.setdefault("live bytes", []).append((float(r.param("allocated")) / 2**20, float(r.param("live")) / 2**20))
    curves["live bytes"] = sorted(set(curves.get("live bytes", [])))
    command = "build/perf/bench_malloc --points points.txt --only malloc_fragmentation"
    out = [section("Resident memory while sizes shift", lines("resident memory", list(curves.items()), "MiB allocated so far; four phases of sizes", "MiB resident", y_from=0), figure_table(members), command, "Four phases (16 to 128, 128 to 1024, 1024 to 8192, 16 to 4096 bytes) with the same live bytes; each object is written whole.")]
    for key, title in (("peak_ratio", "Peak resident memory to live bytes"), ("freed_ratio", "After nine in ten objects went at random"), ("trimmed_ratio", "And after the allocator was asked to give back")):
        bar_rows = [(r.by, r.figures.get(key), r.none or "\u00d7") for r in members]
        body = [[r.by, r.none or number(r.figures[key])] for r in members]
        out.append(section(title, bars(title, bar_rows, "resident bytes per live byte"), table(["by", key], body), command))
    return "".join(out)


def malloc_latency(rows, points):
    members = [r for r in rows if r.name == "malloc_latency"]
    if not members:
        return ""
    curves = {}
    for r in points:
        if r.name == "malloc_latency_point" and float(r.param("above")) > 0:
            curves.setdefault(r.by, []).append((r.figures["ns"], float(r.param("above"))))
    note = "The share of allocations that took longer, by the time; 'touch' hands out a buffer that is there, so its line is the clock and the machine: interrupts and neighbours. What lies right of a line's end happened less often than once in all samples."
    chart = lines("latency", list(curves.items()), "ns, logarithmic", "share of allocations that took longer", log_x=True, log_y=True)
    return section("Latency of an allocation", chart, figure_table(members), "build/perf/bench_malloc --points points.txt --only malloc_latency", note)


def malloc_pages(rows):
    members = [r for r in rows if r.name == "malloc_pages"]
    if not members:
        return ""
    bar_rows = []
    for r in members:
        value = r.figures.get("ns_median")
        bar_rows.append((f"{r.by} {r.param('page')}", value, r.none or " ns"))
    return section("Pages of each size", bars("pages", bar_rows, "median ns"), figure_table(members), "build/perf/bench_malloc --only malloc_pages", "malloc_replace on pages of a size; where no bar is, the reason is. An allocator's pages are checked in /proc before it counts.")


def summary(rows):
    """Workloads by allocators: ratios to the best peer."""
    lines_of = []
    for group, members in groups(r for r in rows if r.name in NAMES and "scale" not in r.name).items():
        lines_of.append((group + ", ns", members, "ns_median"))
    for name, key, what in (
        ("malloc_latency", "ns_p999", "p99.9 of an allocation, ns"),
        ("malloc_scale_replace", "ratio_median", "two threads to one"),
        ("malloc_fragmentation", "peak_ratio", "peak resident to live"),
        ("malloc_fragmentation", "freed_ratio", "resident to live after freeing"),
    ):
        members = [r for r in rows if r.name == name]
        if members:
            lines_of.append((what, members, key))
    names = [n for n in STYLES if any(r.by == n for _, members, _ in lines_of for r in members)]
    if not names:
        return ""
    body = []
    for what, members, key in lines_of:
        best = best_peer(members, key)
        cells = []
        for n in names:
            value = next((r.figures.get(key) for r in members if r.by == n), None)
            share = ratio(value, best)
            cell = "\u2013" if value is None else number(share) if share is not None else number(value)
            cells.append((cell,) if n in OURS and share is not None and round(share, 2) <= 1 else cell)
        body.append([what, *cells, number(best) if best else "\u2013"])
    return (
        '<h2 id="summary">Summary</h2><p>Ratios to the best of ' + ", ".join(PEERS) + " in the same row; below 1.00 is better than all of them, and bold where this project is. <code>touch</code> allocates nothing: it is the floor.</p>"
        + table(["", *names, "best peer"], body)
        + '<p class="note">Made by <code>make perf</code></p>'
    )


def other_bench(bench, rows):
    """Panels of what is compared with something, then every figure."""
    command = f"ONLY={bench.removeprefix('bench_')} make perf"
    out = [f'<h2 id="{escape(bench)}">{escape(bench)}</h2><p>{escape(INTROS.get(bench, ""))}</p>']
    singles = []
    for group, members in groups(rows).items():
        drawn = [r for r in members if r.value]
        if len(drawn) < 2:
            singles += members
            continue
        is_rate = "mpps_median" in drawn[0].figures
        bar_rows = [(r.label, r.value, "") for r in drawn]
        unit = "million packets a second" if is_rate else "median ns"
        out.append(section(group, bars(group, bar_rows, unit, "more" if is_rate else "less"), figure_table(members), command))
    if singles:
        with_value = [(f"{r.by} {' '.join(r.params)}".strip(), r.value, "") for r in singles if r.value]
        out.append(section("Others", bars(bench, with_value, "median ns") if with_value else "", figure_table(singles), command))
    return "".join(out)


def page(environment, rows, points):
    ours = [r for r in rows if r.bench == "bench_malloc"]
    others = {}
    for r in rows:
        if r.bench != "bench_malloc":
            others.setdefault(r.bench, []).append(r)
    parts = []
    if ours:
        parts += [
            summary(ours),
            '<h2 id="malloc">Allocators: time</h2>' + malloc_times(ours),
            '<h2 id="threads">Allocators: two threads</h2>' + malloc_scale(ours),
            '<h2 id="fragmentation">Allocators: memory</h2>' + malloc_fragmentation(ours, points),
            '<h2 id="latency">Allocators: at worst</h2>' + malloc_latency(ours, points),
            '<h2 id="pages">Allocators: pages</h2>' + malloc_pages(ours),
        ]
    parts += [other_bench(bench, members) for bench, members in others.items()]
    nav = (["summary", "malloc", "threads", "fragmentation", "latency", "pages"] if ours else []) + list(others)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>vmheap: performance</title><style>{CSS}</style></head><body>{DEFS}"
        "<h1>vmheap: performance</h1><p>Rounds of all that is compared are interleaved, so read ratios between rows of one chart; nanoseconds of two runs, or two charts, do not compare.</p>"
        "<nav>" + "".join(f'<a href="#{escape(n)}">{escape(n)}</a>' for n in nav) + "</nav>"
        f"<details open=\"open\"><summary>Where this was measured</summary><pre>{escape(chr(10).join(environment))}</pre></details>"
        + "".join(parts)
        + "</body></html>\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", required=True)
    parser.add_argument("--points")
    parser.add_argument("--html", required=True)
    parser.add_argument("--csv")
    parser.add_argument("--png")
    args = parser.parse_args()
    environment, rows = read(args.results)
    points = read(args.points)[1] if args.points and os.path.exists(args.points) else []
    if not rows:
        print(f"report: no results in {args.results}", file=sys.stderr)
        return 1
    with open(args.html, "w", encoding="utf-8") as f:
        f.write(page(environment, rows, points))
    if args.csv:
        write_csv(args.csv, rows + points)
    if args.png:
        report_png.draw(args.png, [r for r in rows if r.bench == "bench_malloc"], points)
    return 0


if __name__ == "__main__":
    sys.exit(main())
