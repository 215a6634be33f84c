#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One address explained; a fault explained; workers that take none."""
import os
import re
import shutil
import signal
import tempfile
import time

from harness import BUILD, PLUGINS, Daemon, main


def test_an_address_in_a_heap_is_explained():
    """Mapping, page, range, heap and element of the main heap's first bytes; frames as root."""
    with Daemon() as d:
        d.wait_up()
        heap = next(h for h in d.json("show memory")["heaps"] if h["name"] == "main heap")
        address = int(heap["base"], 16) + 0x3000
        a = d.json(f"show memory address 0x{address:x}")
        assert a["state"] == "resident" and a["heap"] == "main heap" and a["range"], a
        assert a["mapping"]["rights"] == "rw-p" and a["page_size"] == 4096, a
        assert a["pgd"] << 39 | a["pud"] << 30 | a["pmd"] << 21 | a["pte"] << 12 == address, a
        assert a["element"]["bytes"] > 0, a
        handle = int(a["handle"], 16)
        segment = next(s for s in d.json("show segments")["segments"] if int(str(s["selector"]), 0) == handle >> 40)
        assert int(str(segment["base"]), 0) + (handle & (1 << 40) - 1) == address, (a, segment)
        if os.getuid() == 0:
            assert int(a["physical_address"], 16) == int(a["pfn"], 16) << 12, a
            assert "anon" in a["page_flags"].split(), a
        text = d.text(f"show memory address {address:x}")
        assert "heap" in text and "main heap, offset 0x" in text, text
        far = d.json(f"show memory address 0x{address + 0x7000000:x}")
        assert far["state"] == "reserved" and far["element"]["past_end"], far
        assert d.json("show memory address 0x10")["state"] == "unmapped"
        d.stop()


def test_arenas_and_the_object_cache_of_an_address_are_named():
    """An object of a cache: each arena that passed its memory on, the cache, whether it is in use, also in the middle."""
    with Daemon(vdevs=()) as d:
        d.wait_up()
        live = re.search(r"^ +(0x[0-9a-f]+)$", d.text("show kmem cli_client verbose"), re.M).group(1)
        a = d.json(f"show memory address {live}")
        assert [x["name"] for x in a["arenas"]][-2:] == ["mmap_heap", "kmem"], a
        assert not any(x["free"] for x in a["arenas"]), a
        assert a["cache"] == {"name": "cli_client", "free": False, "bytes": a["cache"]["bytes"], "object": live}, a
        inside = d.json(f"show memory address {int(live, 16) + 5:x}")["cache"]
        assert inside == a["cache"], inside
        other = int(live, 16) + 10 * ((a["cache"]["bytes"] + 7) & -8)
        assert d.json(f"show memory address {other:x}")["cache"]["free"], a
        # Numbers that an arena of identifiers has are no addresses.
        assert "arenas" not in d.json("show memory address 5")
        d.stop()


def test_a_bad_address_is_pointed_at():
    """No address, a word that is none, and two of them are errors; the daemon goes on."""
    with Daemon(vdevs=()) as d:
        d.wait_up()
        for words in ("", "heap", "0x10 0x20", "0x", "0x10zz", "-1", "0x10000000000000000"):
            p = d.ctl(f"show memory address {words}")
            assert p.returncode == 1 and "address" in p.stdout.decode() + p.stderr.decode(), words
        d.stop()


def test_a_fault_names_range_and_heap_and_still_dumps_core():
    """A plugin writes far past the main heap: the log says where, and the signal ends the daemon."""
    plugins = tempfile.mkdtemp(prefix="vmheap-e2e-plugins-")
    try:
        shutil.copy(f"{BUILD}/tests/plugins/faulting_plugin.so", plugins)
        with Daemon(vdevs=(), plugins=plugins, extra="", plugin_words=f"add-path {PLUGINS}") as d:
            d.wait_up()
            d.ctl("test fault")
            assert d.wait_end() == -signal.SIGSEGV, d.log()
            log = d.log()
            assert "SIGSEGV: write to 0x" in log and "not committed" in log, log
            assert "heap 'main heap'" in log and "past its last element" in log, log
    finally:
        shutil.rmtree(plugins, ignore_errors=True)


def worker_minor_faults(d):
    """Minor faults of each worker thread, from /proc."""
    faults = {}
    for lcore in d.json("show lcores")["lcores"]:
        if lcore["type"] == "worker":
            with open(f"/proc/{d.process.pid}/task/{lcore['lwp']}/stat", encoding="ascii") as f:
                faults[lcore["lwp"]] = int(f.read().rpartition(")")[2].split()[7])
    return faults


def test_workers_take_no_page_faults_under_traffic():
    """After the first second, forwarding between two ports touches nothing that is not there."""
    with Daemon() as d:
        d.wait_up()
        time.sleep(1)
        before, packets = worker_minor_faults(d), d.json("show interface")["interfaces"][0]["rx_packets"]
        assert before, "no worker"
        time.sleep(2)
        after = worker_minor_faults(d)
        assert d.json("show interface")["interfaces"][0]["rx_packets"] > packets + 10000
        assert after == before, (before, after)
        d.stop()


main()
