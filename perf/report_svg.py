# SPDX-License-Identifier: Apache-2.0
"""Charts as inline SVG: text takes the page's colours, series have a colour, and a hatch or dash and
a label beside, so that none needs the colour to be read."""
import math
from xml.sax.saxutils import escape, quoteattr

# name: (colour class, hatch, dash).  Ours are hues of one colour, the floor is grey.
STYLES = {
    "touch": (0, "none", "1 3"),
    "live bytes": (0, "none", "1 3"),
    "mheap": (1, "solid", ""),
    "mheap_fronts": (2, "solid", "8 2"),
    "mheap_inlined": (3, "solid", "8 2 2 2"),
    "mheap_later": (3, "dots", "8 2 2 2 2 2"),
    "mheap_bulk": (3, "cross", "8 2 2 2"),
    "vmheap_malloc": (1, "up", "12 3"),
    "vec": (2, "cross", "4 2"),
    "glibc": (4, "up", "6 3"),
    "jemalloc": (5, "down", "4 4"),
    "mimalloc": (6, "dots", "2 2"),
    "tcmalloc": (7, "level", "10 3 2 3"),
    "rte_malloc": (8, "cross", "3 6"),
}
OURS = ("mheap", "mheap_fronts", "mheap_inlined", "mheap_later", "mheap_bulk", "vmheap_malloc", "vec")
PEERS = ("glibc", "jemalloc", "mimalloc", "tcmalloc")
FALLBACK = [(1, "solid", ""), (4, "up", "6 3"), (5, "down", "4 4"), (6, "dots", "2 2"), (7, "level", "10 3 2 3"), (8, "cross", "3 6")]

# Hatches over a series' colour; the page has one of these.
DEFS = """<svg width="0" height="0" aria-hidden="true" class="defs"><defs>
<pattern id="h-up" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6L6 0M-1 1L1 -1M5 7L7 5" class="hatch"/></pattern>
<pattern id="h-down" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 0L6 6M-1 5L1 7M5 -1L7 1" class="hatch"/></pattern>
<pattern id="h-dots" width="5" height="5" patternUnits="userSpaceOnUse"><circle cx="2" cy="2" r="1.1" class="hatch-dot"/></pattern>
<pattern id="h-level" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M0 2.5H5" class="hatch"/></pattern>
<pattern id="h-cross" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6L6 0M0 0L6 6" class="hatch"/></pattern>
</defs></svg>"""


def style(name, index=0):
    return STYLES.get(name) or FALLBACK[index % len(FALLBACK)]


def number(x):
    """Three digits, no exponent."""
    if x is None:
        return ""
    if x >= 1000:
        return f"{x:,.0f}".replace(",", " ")
    if x >= 100:
        return f"{x:.0f}"
    return f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def text(x, y, s, anchor="start", cls=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class={quoteattr(cls)}>{escape(s)}</text>'


def bars(title, rows, unit, better="less"):
    """Horizontal bars on a logarithmic scale where the values ask for it.
    rows: (name, value or None, remark)."""
    values = [v for _, v, _ in rows if v]
    if not values:
        return ""
    lo, hi = min(values), max(values)
    is_log = hi / lo > 12
    if is_log:
        floor = 10 ** math.floor(math.log10(lo))
        floor = floor / 2 if lo / floor < 1.2 else floor
    left = 14 + 8.6 * max(len(name) for name, _, _ in rows)
    width, height, bar = 760, 22 * len(rows) + 40, 16
    room = width - left - 190

    def x(v):
        if is_log:
            return room * math.log(max(v, floor) / floor) / math.log(hi / floor)
        return room * v / hi

    out = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label={quoteattr(title)} class="chart">',
        f"<title>{escape(title)}</title>",
    ]
    ticks = []
    if is_log:
        for k in range(math.floor(math.log10(floor)), math.ceil(math.log10(hi)) + 1):
            ticks += [10.0**k]
        ticks = [t for t in ticks if floor <= t <= hi]
    else:
        step = 10 ** math.floor(math.log10(hi))
        step = step / 5 if hi / step < 2 else step / 2 if hi / step < 5 else step
        ticks = [i * step for i in range(int(hi / step) + 1)]
    for t in ticks:
        tx = left + x(t) if t else left
        out.append(f'<path d="M{tx:.1f} 6V{height - 30}" class="grid"/>')
        out.append(text(tx, height - 16, number(t) if t else "0", "middle", "tick"))
    out.append(text(left + room, height - 2, f"{unit}{', logarithmic' if is_log else ''}; {better} is better", "end", "tick"))
    for i, (name, value, remark) in enumerate(rows):
        y = 8 + 22 * i
        colour, hatch, _ = style(name.split(" ")[0], i)
        strong = "ours" if name in OURS else ""
        out.append(text(left - 6, y + 12.5, name, "end", f"name {strong}"))
        if value is None:
            out.append(text(left + 6, y + 12.5, remark, "start", "tick"))
            continue
        w = max(x(value), 1.5)
        out.append(f'<rect x="{left:.1f}" y="{y}" width="{w:.1f}" height="{bar}" class="bar c{colour} {"hollow" if hatch == "none" else ""}"/>')
        if hatch not in ("none", "solid"):
            out.append(f'<rect x="{left:.1f}" y="{y}" width="{w:.1f}" height="{bar}" fill="url(#h-{hatch})"/>')
        out.append(text(left + w + 5, y + 12.5, number(value) + remark, "start", f"value {strong}"))
    out.append("</svg>")
    return "\n".join(out)


def spread(ys, least, lo, hi):
    """The same heights, in order, at least so far apart, within [lo, hi] if they fit."""
    order = sorted(range(len(ys)), key=lambda i: ys[i])
    placed = {}
    y = lo
    for i in order:
        placed[i] = y = max(y, ys[i])
        y += least
    for i in reversed(order):
        placed[i] = min(placed[i], hi)
        hi = placed[i] - least
    return [placed[i] for i in range(len(ys))]


def lines(title, series, x_label, y_label, log_x=False, log_y=False, y_from=None):
    """Lines with dashes and a label at each end.  series: (name, [(x, y), ...])."""
    series = [(name, points) for name, points in series if points]
    if not series:
        return ""
    xs = [x for _, points in series for x, _ in points]
    ys = [y for _, points in series for _, y in points if y > 0 or not log_y]
    width, height, left, right, top, bottom = 760, 400, 70, 130, 12, 46
    x_lo, x_hi, y_lo, y_hi = min(xs), max(xs), min(ys), max(ys)
    if y_from is not None:
        y_lo = min(y_from, y_lo)
    if log_x:
        x_lo = max(x_lo, 1e-9)
        x_hi = max(x_hi, x_lo * 1.01)
    if log_y:
        y_lo = 10 ** math.floor(math.log10(y_lo))
        y_hi = 10 ** math.ceil(math.log10(y_hi) - 1e-9)

    def place(v, lo, hi, is_log):
        if is_log:
            return math.log(max(v, lo) / lo) / math.log(hi / lo) if hi > lo else 0
        return (v - lo) / (hi - lo) if hi > lo else 0

    def px(x):
        return left + (width - left - right) * place(x, x_lo, x_hi, log_x)

    def py(y):
        return height - bottom - (height - bottom - top) * place(y, y_lo, y_hi, log_y)

    def ticks(lo, hi, is_log):
        if is_log:
            k = range(math.ceil(math.log10(lo) - 1e-9), math.floor(math.log10(hi) + 1e-9) + 1)
            return [10.0**i for i in k]
        step = 10 ** math.floor(math.log10(hi - lo or 1))
        step = step / 5 if (hi - lo) / step < 2 else step / 2 if (hi - lo) / step < 5 else step
        return [i * step for i in range(math.ceil(lo / step), int(hi / step) + 1)]

    def tick_name(v):
        return f"{v:g}" if v >= 0.01 or not v else f"{v:.0e}".replace("e-0", "e-")

    out = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label={quoteattr(title)} class="chart">',
        f"<title>{escape(title)}</title>",
    ]
    for t in ticks(x_lo, x_hi, log_x):
        out.append(f'<path d="M{px(t):.1f} {top}V{height - bottom}" class="grid"/>')
        out.append(text(px(t), height - bottom + 15, tick_name(t), "middle", "tick"))
    for t in ticks(y_lo, y_hi, log_y):
        out.append(f'<path d="M{left} {py(t):.1f}H{width - right}" class="grid"/>')
        out.append(text(left - 6, py(t) + 4, tick_name(t), "end", "tick"))
    out.append(text(width - right, height - 8, x_label, "end", "tick"))
    out.append(f'<g transform="translate(14 {(top + height - bottom) / 2}) rotate(-90)">{text(0, 0, y_label, "middle", "tick")}</g>')
    ends = []
    for i, (name, points) in enumerate(series):
        colour, _, dash = style(name, i)
        d = "".join(f"{'L' if k else 'M'}{px(x):.1f} {py(y):.1f}" for k, (x, y) in enumerate(points))
        strong = "ours" if name in OURS else ""
        out.append(f'<path d="{d}" class="line s{colour} {strong}" stroke-dasharray="{dash}"/>')
        ends.append((px(points[-1][0]), py(points[-1][1])))
    labels = spread([y for _, y in ends], 13, top + 8, height - bottom)
    for i, (name, _) in enumerate(series):
        colour, _, dash = style(name, i)
        x, y = ends[i]
        lx = width - right + 26
        strong = "ours" if name in OURS else ""
        out.append(f'<path d="M{x:.1f} {y:.1f}L{width - right + 4} {labels[i] - 4:.1f}" class="leader"/>')
        out.append(f'<path d="M{width - right + 4} {labels[i] - 4:.1f}H{lx - 3}" class="line s{colour} {strong}" stroke-dasharray="{dash}"/>')
        out.append(text(lx, labels[i], name, "start", f"name {strong}"))
    out.append("</svg>")
    return "\n".join(out)
