# SPDX-License-Identifier: Apache-2.0
"""The allocators' charts as PNGs, by gnuplot where it is installed."""
import os
import shutil
import subprocess

from report_svg import OURS, PEERS

HEAD = """set terminal pngcairo size 1200,760 font "sans,11" background rgb "white"
set grid lc rgb "#d6dce2"
set key outside right top
"""


def run(script, output):
    """gnuplot's complaint, or nothing."""
    p = subprocess.run(["gnuplot"], input=f'{HEAD}set output "{output}"\n{script}', text=True, capture_output=True, check=False)
    if p.returncode:
        print(f"report: gnuplot: {p.stderr.strip().splitlines()[-1] if p.stderr.strip() else p.returncode}")
    return p.returncode == 0


def block(name, rows):
    return f"${name} << EOD\n" + "\n".join(rows) + "\nEOD\n"


def quoted(s):
    return '"' + s.replace("_", " ") + '"'


def curves(series, setup, x_of, y_of):
    """Each series a line of its own width and dash."""
    data, plots = [], []
    for i, (name, points) in enumerate(series.items()):
        data.append(block(f"d{i}", [f"{x_of(r):g} {y_of(r):g}" for r in points]))
        plots.append(f"$d{i} with lines lw {3 if name in OURS else 1.6} dt {i % 5 + 1} lc {i + 1} title {quoted(name)}")
    return "".join(data) + setup + "plot " + ", ".join(plots) + "\n"


def series_of(points, name):
    out = {}
    for r in points:
        if r.name == name:
            out.setdefault(r.by, []).append(r)
    return out


def ratios(rows):
    """Clusters of bars: workloads, in each the allocators' ratios to the best peer."""
    groups = {}
    for r in rows:
        if "ns_median" in r.figures and r.name in ("malloc_pair", "malloc_burst", "malloc_replace", "malloc_cross", "malloc_push"):
            groups.setdefault(r.group, {})[r.by] = r.figures["ns_median"]
    names = list(dict.fromkeys(by for members in groups.values() for by in members if by not in ("touch", "rte_malloc")))
    table = []
    for group, members in groups.items():
        best = min((members[p] for p in PEERS if p in members), default=None)
        if best:
            label = group.removeprefix("malloc_").replace("size=16..4096 ", "").replace("_", " ")
            table.append(f'"{label}" ' + " ".join(f"{members[n] / best:.3f}" if n in members else "NaN" for n in names))
    if not table:
        return None
    plots = [f"$d using {i + 2}{':xtic(1)' if not i else ''} title {quoted(n)} fs pattern {i}" for i, n in enumerate(names)]
    return block("d", table) + 'set style data histograms\nset boxwidth 0.9\nset ylabel "ratio to the best peer"\nset xtics rotate by -20\nset yrange [0:*]\nplot ' + ", ".join(plots) + "\n"


def scaling(rows):
    table = {}
    for r in rows:
        if "ratio_median" in r.figures:
            table.setdefault(r.by, {})[r.name] = r.figures["ratio_median"]
    if not table:
        return None
    data = [f'"{by.replace("_", " ")}" {v.get("malloc_scale_pair", "NaN")} {v.get("malloc_scale_replace", "NaN")}' for by, v in table.items()]
    return block("d", data) + 'set style data histograms\nset ylabel "time of two threads to one"\nset yrange [0:*]\nset xtics rotate by -20\nplot $d using 2:xtic(1) title "pairs" fs pattern 3, $d using 3 title "replacing" fs pattern 6\n'


def draw(folder, rows, points):
    """ratios.png, scaling.png, latency.png, fragmentation.png, those of them that there are figures for."""
    if not shutil.which("gnuplot"):
        return
    os.makedirs(folder, exist_ok=True)
    latency = {by: [r for r in p if float(r.param("above")) > 0] for by, p in series_of(points, "malloc_latency_point").items()}
    memory = series_of(points, "malloc_fragmentation_point")
    scripts = {
        "ratios": ratios(rows),
        "scaling": scaling(rows),
        "latency": latency and curves(latency, 'set logscale xy\nset xlabel "ns"\nset ylabel "share of allocations that took longer"\n', lambda r: r.figures["ns"], lambda r: float(r.param("above"))),
        "fragmentation": memory and curves(memory, 'set xlabel "MiB allocated"\nset ylabel "MiB resident"\nset yrange [0:*]\n', lambda r: float(r.param("allocated")) / 2**20, lambda r: r.figures["rss"] / 2**20),
    }
    for name, script in scripts.items():
        if script:
            run(script, os.path.join(folder, f"{name}.png"))
