#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Named zones: split off by configuration, used by another process, cleared up after its death."""
import os
import subprocess
import time

from harness import BUILD, Daemon, main

ZONE = f"e2e-{os.getpid()}"


def user(*args):
    """Another process that holds a block."""
    p = subprocess.Popen([f"{BUILD}/tests/e2e/zone_user", *args], stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "0\n", "the block was not allocated"
    return p


def zone_of(d):
    return d.json(f"show zones named {ZONE}")["zones"][0]


def test_a_block_outlives_its_killed_owner_until_reclaimed():
    """Another process allocates by name; it is listed with its owner; kill -9 makes it an orphan, which a
    command (or ten seconds) reclaims; the zone goes with the daemon."""
    with Daemon(vdevs=(), extra=f"zones {{ zone {ZONE} {{ size 8M max-size 16M }} }}") as d:
        d.wait_up()
        zone = zone_of(d)
        assert zone["bytes"] == 8 << 20 and zone["max_bytes"] == 16 << 20 and zone["used_bytes"] == 0, zone
        p = user(ZONE, "frame", str(1 << 20))
        try:
            zone = zone_of(d)
            (block,) = zone["blocks"]
            assert block["owner"] == p.pid and not block["orphan"] and block["maps"] == 0, block
            assert block["bytes"] == zone["used_bytes"] == 1 << 20, zone
            if os.getuid() == 0:
                assert block["physical_address"].startswith("0x"), block
        finally:
            p.kill()
            p.wait()
        assert zone_of(d)["blocks"][0]["orphan"]
        text = d.text(f"show zones named {ZONE}")
        assert "+---ZONE:" in text and "|-MMB: phys(" in text and "(orphan)" in text, text
        assert d.json("zones reclaim")["bytes"] >= 1 << 20
        zone = zone_of(d)
        assert zone["used_bytes"] == 0 and zone["reclaimed"] == 1, zone
        d.stop()
    assert not os.path.exists(f"/dev/shm/vmheap-{ZONE}.mmb")
    assert not os.path.exists(f"/dev/shm/vmheap-{ZONE}.mmz")


def test_totals_are_the_sum_of_the_lines():
    """What the closing line says is what the zones' lines add up to."""
    with Daemon(vdevs=(), extra=f"zones {{ zone {ZONE} {{ size 4M }} zone {ZONE}-b {{ size 2M }} }}") as d:
        d.wait_up()
        answer = d.json("show zones named")
        assert answer["zone_number"] == len(answer["zones"]) >= 2, answer
        assert answer["total_bytes"] == sum(z["bytes"] for z in answer["zones"]), answer
        assert answer["used_bytes"] == sum(z["used_bytes"] for z in answer["zones"]), answer
        d.stop()


def test_a_zone_in_use_survives_the_daemon():
    """The daemon ends while another process holds a block: the zone stays and the log says so."""
    config = f"zones {{ zone {ZONE} {{ size 1M }} }}"
    with Daemon(vdevs=(), extra=config) as d:
        d.wait_up()
        p = user(ZONE, "kept", "4096")
        try:
            assert f"zone {ZONE} stays: 1 blocks" in d.stop()
        finally:
            p.kill()
            p.wait()
    with Daemon(vdevs=(), extra=config) as d:
        d.wait_up()
        # At the start, or ten seconds later, the dead owner's block goes.
        end = time.monotonic() + 12
        while zone_of(d)["used_bytes"] and time.monotonic() < end:
            time.sleep(0.2)
        assert zone_of(d)["used_bytes"] == 0
        d.stop()
    assert not os.path.exists(f"/dev/shm/vmheap-{ZONE}.mmz")


def test_sets_of_pages_are_shown():
    """A set of the configuration: its zones, its free blocks by order, and the record behind an address."""
    with Daemon(vdevs=(), extra="zones { pages { size 8M highmem 4M page-size 4K } }") as d:
        d.wait_up()
        (pages,) = d.json("show zones")["sets"]
        (zone,) = pages["zones"]
        assert zone["zone"] == "Normal" and zone["present_pages"] == zone["free_pages"] == 512, zone
        assert zone["reserve_pages"] == 8 and not pages["contiguous"], pages
        (row,) = d.json("show buddyinfo")["buddyinfo"]
        assert row["order_9"] == 1 and sum(row[f"order_{o}"] for o in range(9)) == 0, row
        line = next(r for r in d.json("show memory map")["map"] if r["name"] == "pages-0")
        first = (int(line["start"], 16) + (2 << 20) - 1) & -(2 << 20)
        page = d.json(f"show memory address 0x{first + 5000:x}")["page"]
        assert page["state"] == "inside a block" and page["zone"] == "Normal", page
        page = d.json(f"show memory address 0x{first:x}")["page"]
        assert page["state"] == "first page of a free block" and page["order"] == 9, page
        totals = d.json("show memory")["totals"]
        assert totals["arenas_committed_bytes"] == totals["vm_committed_bytes"], totals
        text = d.text("show zones")
        assert "not physically contiguous" in text and "Node" in text, text
        d.stop()
    with Daemon(vdevs=()) as d:
        d.wait_up()
        assert "no set of pages" in d.text("show buddyinfo")
        d.stop()


def test_bad_words_are_pointed_at():
    """A zone without a size, an unknown key, a page size that nothing is mounted for."""
    for words, expected in (("zone z { }", "no size"), ("zone z { size 1M colour red }", "expected"),
                            ("zone a/b { size 1M }", "Invalid argument")):
        with Daemon(vdevs=(), extra=f"zones {{ {words} }}") as d:
            try:
                d.wait_up()
            except AssertionError:
                pass
            assert expected in d.log(), (words, d.log())
            if d.process.poll() is None:
                assert d.ctl("show zones named nonsense").returncode == 1


main()
