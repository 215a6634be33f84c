# SPDX-License-Identifier: Apache-2.0
"""Lines of benchmarks as rows: "NAME [words] key=value ..." becomes a Row, "# ..." the environment.

A key is a figure (something measured) or a parameter (something chosen); what is compared with what
else follows from the name or from by=, pool=, policy= or case=.
"""
import csv
import re
import shlex

FIGURE = re.compile(r"^(ns|cycles|instr|mpps|peak|rss|freed|trimmed|ratio|bytes)(_|$)|^(live_freed|tags|hash|index)$")
# Parts of names that say who, where there is no by=: glibc_pair, vmem_pair.
WHO = re.compile(r"^(mheap|clib_mem|glibc|glib|kmem|vmem|vmem_qcache|pages|aligned_alloc|cross)_(?=\w)")
SUFFIX_WHO = re.compile(r"_(format|snprintf|vformat|unformat|sscanf|asprintf)$")
NOT_MEASURED = ("n", "rounds", "none")


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


class Row:
    """One result."""

    def __init__(self, bench, line):
        words = shlex.split(line)
        self.bench, self.name = bench, words[0]
        self.figures, self.params, self.none = {}, [], None
        self.by = self.n = self.rounds = None
        for word in words[1:]:
            key, is_pair, value = word.partition("=")
            if not is_pair:
                self.params.append(word)
            elif key in ("by", "pool", "policy", "case") and self.by is None:
                self.by = value
            elif key in NOT_MEASURED:
                setattr(self, key, value)
            elif FIGURE.match(key) and is_number(value):
                self.figures[key] = float(value)
            else:
                self.params.append(word)
        self.workload = self.name
        who = WHO.match(self.name)
        suffix = SUFFIX_WHO.search(self.name)
        if who and bench != "bench_malloc":
            self.workload = self.name[who.end() :]
            self.by = who[1] + (f" {self.by}" if self.by else "")
        elif suffix and not self.by:
            self.workload, self.by = self.name[: suffix.start()], suffix[1]
        self.by = self.by or self.name

    @property
    def group(self):
        """What this row is compared within."""
        return " ".join([self.workload] + [p for p in self.params if not p.startswith(("lock", "page=", "cache="))])

    @property
    def label(self):
        """Who, with what tells it from itself."""
        return " ".join([self.by] + [p for p in self.params if p.startswith(("lock", "cache="))])

    @property
    def value(self):
        """The figure that is drawn, smaller is better (but for rates); None: it has none."""
        for key in ("ns_median", "mpps_median", "ns_p999"):
            if key in self.figures:
                return self.figures[key]
        return None

    def param(self, key):
        for p in self.params:
            if p.startswith(key + "="):
                return p[len(key) + 1 :]
        return None


def read(path):
    """(environment lines, rows) of a file of results."""
    environment, rows, bench = [], [], "bench"
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            line = line.rstrip("\n")
            header = re.match(r"# \[\d+\] (\S+)", line)
            if header:
                bench = header[1]
            elif line.startswith("#"):
                environment.append(line[1:].strip())
            elif "=" in line and re.match(r"[a-z]\w* ", line):
                rows.append(Row(bench, line))
            elif re.match(r"[a-z]\w* n=", line):
                rows.append(Row(bench, line))
    return environment, rows


def write_csv(path, rows):
    """A line a figure: every figure of every row, none left out."""
    with open(path, "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow(["bench", "name", "by", "params", "n", "rounds", "figure", "value"])
        for r in rows:
            head = [r.bench, r.name, r.by, " ".join(r.params), r.n or "", r.rounds or ""]
            for key, value in r.figures.items():
                out.writerow(head + [key, f"{value:g}"])
            if r.none:
                out.writerow(head + ["none", r.none])
