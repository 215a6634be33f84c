#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`show memory` accounts for what it shows: compared with /proc, read by this test on its own."""
import re

from harness import Daemon, main, need_huge_pages


def smaps_hugetlb_bytes(pid):
    """Resident huge pages of a process, as the kernel counts them."""
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as f:
        fields = re.findall(r"^(?:Shared|Private)_Hugetlb:\s+(\d+) kB", f.read(), re.M)
    return 1024 * sum(map(int, fields))


def check(d):
    totals = d.json("show memory")["totals"]
    assert totals["arenas_committed_bytes"] == totals["vm_committed_bytes"] > 0, totals
    return totals


def test_huge_pages_are_explained():
    """Arenas plus EAL equal what the kernel says the process holds in huge pages, to the byte."""
    need_huge_pages(200)
    with Daemon(huge=True) as d:
        d.wait_up()
        totals = check(d)
        explained = totals["vm_hugetlb_bytes"] + totals["eal_hugepage_bytes"]
        assert totals["vm_hugetlb_bytes"] > 0 and totals["eal_hugepage_bytes"] > 0, totals
        assert explained == smaps_hugetlb_bytes(d.process.pid) == totals["smaps_hugetlb_bytes"], totals
        assert totals["unexplained_bytes"] == 0, totals
        d.stop()


def test_small_pages_are_explained():
    """Without huge pages the arenas still equal what vm committed, and no huge page is in use."""
    with Daemon() as d:
        d.wait_up()
        totals = check(d)
        assert totals["vm_hugetlb_bytes"] == totals["eal_hugepage_bytes"] == 0, totals
        assert smaps_hugetlb_bytes(d.process.pid) == 0
        d.stop()


def test_buffers_add_up():
    """Total = available + cached + used, on a running dataplane read while nothing moves."""
    with Daemon(vdevs=()) as d:
        d.wait_up()
        for pool in d.json("show buffers detail")["pools"]:
            assert pool["total"] == pool["avail"] + pool["cached"] + pool["used"] == 4096, pool
        d.stop()


main()
