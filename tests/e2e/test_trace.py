#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who holds what, asked of the real daemon: planted leaks, sampling, mistakes, saved traces."""
import json
import os
import re
import shutil
import tempfile

from harness import BUILD, PLUGINS, Daemon, main

LEAKS = {"leak_of_headers": ("main heap", 100, 128), "leak_of_names": ("main heap", 1000, 48),
         "leak_of_tables": ("numa-0 heap", 7, 20000)}


class LeakyDaemon(Daemon):
    """A daemon with the plugin that leaks on request."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="vmheap-leaky-")
        shutil.copy(f"{BUILD}/tests/plugins/leaky_plugin.so", self.folder)
        super().__init__(plugins=f"{PLUGINS} add-path {self.folder}")

    def __exit__(self, *exception):
        super().__exit__(*exception)
        shutil.rmtree(self.folder, ignore_errors=True)

    def heaps(self, words="verbose"):
        return {h["name"]: h for h in self.json(f"show memory {words}")["heaps"]}

    def refuses(self, command, why):
        p = self.ctl(command)
        said = (p.stdout + p.stderr).decode()
        assert p.returncode == 1 and why in said, f"{command}: exit {p.returncode}: {said}"


def is_leak(t, count, size):
    """Exactly so many objects; bytes are what the heap gave, a little more where a rest was too small."""
    return t["count"] == count and count * size <= t["bytes"] <= count * size * 1.02


def functions(callers):
    return [c["function"] for c in callers]


def site(heap, function):
    found = [t for t in heap.get("traces", []) if function in functions(t["traceback"])]
    assert len(found) <= 1, found
    return found[0] if found else None


def test_three_planted_leaks_are_found():
    """Two heaps traced; each leak is found with count, bytes, function, line; released, it is gone."""
    with LeakyDaemon() as d:
        d.wait_up()
        assert "every object" in d.text("memory-trace on main-heap numa-heap 0")
        d.text("leak plant")
        heaps = d.heaps()
        for function, (name, count, size) in LEAKS.items():
            assert heaps[name]["traced"]
            t = site(heaps[name], function)
            assert t, f"{function}: {heaps[name].get('traces')}"
            assert is_leak(t, count, size) and t["samples"] == count, t
            frame = next(c for c in t["traceback"] if c["function"] == function)
            assert frame["object"] == "leaky_plugin.so", frame
            if "file" in frame:  # built with libbacktrace
                assert frame["file"].endswith("leaky.c") and 20 < frame["line"] < 60, frame
            assert t["sample"] in d.text(f"show memory {name} verbose")
        # Largest first, in text as well; what is small only with verbose.
        sizes = [t["bytes"] for t in heaps["main heap"]["traces"]]
        assert sizes == sorted(sizes, reverse=True) and len(sizes) >= 2, sizes
        text = d.text("show memory main-heap")
        assert text.index("leak_of_names") < text.index("leak_of_headers"), text
        assert "total traced objects" in text and re.search(r"\n +48\d{3} +1000 0x", text), text
        # The control thread's own answers are not in the list.
        assert "show_memory_fn" not in d.text("show memory main-heap verbose")
        d.text("leak release")
        heaps = d.heaps()
        assert not any(site(heaps[name], f) for f, (name, _, _) in LEAKS.items())
        assert heaps["numa-0 heap"]["traced_bytes"] == 0
        assert "no traced allocations" in d.text("show memory numa-heap 0")
        d.stop()


def test_a_sample_says_that_it_is_one():
    """One in 4 KiB: the sites are there, their figures estimates that the text calls so."""
    with LeakyDaemon() as d:
        d.wait_up()
        assert "one in 4k bytes" in d.text("memory-trace on main-heap sample 4k")
        d.text("leak plant")
        heap = d.heaps("main-heap verbose")["main heap"]
        t = site(heap, "leak_of_names")
        assert t and heap["trace_sample_bytes"] == 4096
        assert 0 < t["samples"] < 100 and 12000 < t["bytes"] < 190000, t
        assert "estimates" in d.text("show memory main-heap")
        d.text("leak release")
        d.stop()


def test_a_double_free_names_all_three():
    """Who got it, who freed it first, who again: in rows and in text; the log has the addresses."""
    with LeakyDaemon() as d:
        d.wait_up()
        d.text("memory-trace on main-heap")
        d.text("leak twice")
        wrong = d.heaps("main-heap")["main heap"]["wrong_puts"]
        assert len(wrong) == 1 and "free already" in wrong[0]["what"], wrong
        assert "free_again" in functions(wrong[0]["put_by"]), wrong
        assert "get_for_two" in functions(wrong[0]["got_by"]), wrong
        assert "free_first" in functions(wrong[0]["put_first_by"]), wrong
        text = d.text("show memory main-heap")
        assert text.index("free_again") < text.index("get_for_two") < text.index("free_first"), text
        log = d.stop()
        assert "got by 0x" in log and "put first by 0x" in log, log


def test_heaps_have_names():
    """Any heap by its name, here and in show memory; on needs one, off takes all that are traced."""
    with LeakyDaemon() as d:
        d.wait_up()
        d.text("leak heap")
        d.refuses("memory-trace on", "main-heap, numa-heap 0")
        d.refuses("memory-trace on", "leaky-heap")
        d.refuses("memory-trace on sample 4k", "main-heap, numa-heap 0")
        d.refuses("memory-trace on leaky-hea", "unknown input 'leaky-hea'")
        d.refuses("memory-trace on numa-heap 77", "unknown input 'numa-heap'")
        d.refuses("memory-trace maybe", "on or off")
        d.refuses("memory-trace on main-heap sample 0", "sample 0")
        assert "'leaky heap'" in d.text("mem on leaky-heap sample 1k")
        assert "'main heap'" in d.text("memory-trace on main-heap")
        d.refuses("memory-trace on leaky heap", "traced already")
        assert list(d.heaps("leaky heap")) == ["leaky heap"]
        assert list(d.heaps("leaky-heap main-heap")) == ["leaky heap", "main heap"]
        assert set(d.heaps("numa-heaps")) == {"numa-0 heap"}
        traced = {n for n, h in d.heaps("main-heap leaky-heap numa-heaps").items() if h["traced"]}
        assert traced == {"leaky heap", "main heap"}, traced
        assert {h["name"] for h in d.json("memory-trace off")["heaps"]} == {"leaky heap", "main heap"}
        assert "no heap is traced" in d.text("memory-trace off")
        d.refuses("memory-trace off main-heap", "not traced")
        d.text("leak release")
        d.refuses("show memory leaky-heap", "unknown input")
        d.stop()


def test_traces_are_saved():
    """A new JSON file beside the socket; nothing else can be named, nothing is overwritten."""
    with LeakyDaemon() as d:
        d.wait_up()
        d.refuses("save memory-trace a.json", "no heap is traced")
        d.text("memory-trace on main-heap numa-heaps")
        d.text("leak plant")
        for name in ("../a", "/tmp/a", "..", "a/b"):
            d.refuses(f"save memory-trace {name}", d.work)
        d.refuses("save memory-trace", "a file name")
        d.refuses("save memory-trace a b", "no more words")
        said = d.json("save memory-trace a.json")
        assert said == {"file": f"{d.work}/a.json", "heaps": 2}, said
        d.refuses("save memory-trace a.json", "File exists")
        os.symlink("/etc/passwd", f"{d.work}/link")
        d.refuses("save memory-trace link", "File exists")
        assert os.stat(said["file"]).st_mode & 0o777 == 0o600
        with open(said["file"], encoding="utf-8") as f:
            heaps = {h["name"]: h for h in json.load(f)["heaps"]}
        for function, (name, count, size) in LEAKS.items():
            t = site(heaps[name], function)
            assert is_leak(t, count, size), t
        d.text("leak release")
        d.stop()


def test_heaps_are_validated():
    """now says what is whole, on and off change the heaps named."""
    with LeakyDaemon() as d:
        d.wait_up()
        rows = d.json("test heap-validate now")["heaps"]
        assert {"main heap", "numa-0 heap"} == {r["name"] for r in rows} and all(r["whole"] for r in rows), rows
        d.text("test heap-validate on main-heap")
        assert "flags: disable-vm thread-safe validate fronts, validated" in d.text("show memory main-heap verbose")
        d.text("leak plant")
        d.text("leak release")
        d.text("test heap-validate off")
        assert "flags: disable-vm thread-safe fronts, validated" in d.text("show memory main-heap verbose")
        d.refuses("test heap-validate", "on, off or now")
        d.refuses("test heap-validate now nothing", "unknown input 'nothing'")
        d.stop()


main()
