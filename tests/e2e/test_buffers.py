#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Buffer pools that grow and shrink: by command, by themselves, and inside a budget."""
import re
import tempfile
import time

from harness import CONFIG, PLUGINS, Daemon, main

POOL = "default-numa-0"


def daemon(words, vdevs=()):
    """A daemon with these words in its buffers stanza."""
    work = tempfile.mkdtemp(prefix="vmheap-e2e-")
    config = CONFIG.replace("buffers {{ buffers-per-numa 4096 }}", "buffers {{ {words} }}").format(
        work=work, plugins=PLUGINS, plugin_words="", words=words,
        dpdk_words="no-huge " + " ".join(f"vdev {v}" for v in vdevs),
        extra="xconnect { " + " ".join(vdevs) + " }" if vdevs else "")
    d = Daemon(config=config, work=work)
    d.own_work = True
    return d


def pool(d):
    shown = d.json("show buffers detail")
    return {**shown["details"][0], **shown["pools"][0]}


def wait_for(d, is_so, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so(pool(d)):
            return pool(d)
        time.sleep(0.1)
    raise AssertionError(f"not in {seconds} s: {pool(d)}\n{d.log()}")


def refused(d, command, words):
    p = d.ctl(command)
    text = (p.stdout + p.stderr).decode()
    assert p.returncode != 0 and words in text, f"{command}: {p.returncode}: {text}"


def test_grows_and_shrinks_by_command():
    """What was added can be taken back, the count is right throughout, and more than the most is refused."""
    with daemon("buffers-per-numa 4096  max-per-numa 6144") as d:
        d.wait_up()
        assert pool(d)["max"] == 6144 and pool(d)["extents"] == 1, pool(d)
        grown = d.json(f"buffers grow {POOL} 1024")
        assert grown["total"] == 5120 and grown["extents"] == 2, grown
        shown = pool(d)
        assert shown["total"] == shown["avail"] + shown["cached"] + shown["used"] == 5120, shown
        refused(d, f"buffers grow {POOL} 2048", "max-per-numa")
        refused(d, "buffers grow nobody 1", "show buffers")
        refused(d, f"buffers grow {POOL} 0", "number of buffers")
        shrunk = d.json(f"buffers shrink {POOL} 1024")
        assert shrunk["total"] == 4096 and shrunk["extents"] == 1 and shrunk["out"] == 0, shrunk
        refused(d, f"buffers shrink {POOL} 4096", "stays")
        d.stop()


def test_the_budget_holds():
    """A pool does not grow beyond its node's budget, and does when the budget allows it."""
    with daemon("buffers-per-numa 1024  max-per-numa 8192  numa 0 { budget 4m }") as d:
        d.wait_up()
        shown = pool(d)
        assert shown["budget_bytes"] == 4 << 20 and 0 < shown["taken_bytes"] <= 4 << 20, shown
        refused(d, f"buffers grow {POOL} 2048", "budget")
        assert pool(d)["total"] == 1024, pool(d)
        d.json("buffers budget 0 64m")
        assert d.json(f"buffers grow {POOL} 2048")["total"] == 3072
        assert d.json("buffers budget 0 none")["budget_bytes"] == 0
        refused(d, "buffers budget 0 much", "size")
        refused(d, "buffers budget 77 1g", "no memory of such a node")
        refused(d, "show buffers leaks older-than -1", "from 0")
        d.stop()


def test_a_start_beyond_the_budget_is_refused():
    """Buffers that the budget does not allow leave the plugin out, as any of its errors, and both are told."""
    with daemon("buffers-per-numa 4096  budget 1m") as d:
        d.wait_up()
        assert re.search("plugin buffer failed: .*4096 buffers.*budget", d.log()), d.log()
        assert d.ctl("show buffers").returncode != 0


def test_reservations_are_configured():
    """What reserve sets aside is shown, a node's own number stands before the one for all, and it all goes back."""
    with daemon("buffers-per-numa 4096  reserve control 64  reserve tx 512  numa 0 { reserve tx 256 }") as d:
        d.wait_up()
        shown = pool(d)
        told = {r["name"]: r for r in shown["reservations"]}
        assert told["control"] == {"name": "control", "quota": 64, "stock": 64, "taken": 0}, told
        assert told["tx"]["quota"] == told["tx"]["stock"] == 256, told
        assert shown["reserved"] == 320, shown
        assert shown["total"] == 4096 == shown["avail"] + shown["cached"] + shown["used"] + shown["reserved"], shown
        assert "reservation control: 64 of 64" in d.ctl("show buffers detail").stdout.decode()
        d.stop()
        assert f"pool {POOL}: 0 buffers leaked" in d.log(), d.log()


def test_reservations_that_cannot_be_are_refused():
    """A bad word is an error of the configuration; more than the pool has leaves the plugin out."""
    for words, says in (("reserve control", "a name and a number"), ("reserve control 0", "at least 1"),
                        ("reserve a-name-of-sixteen 1", "at most 15 bytes"),
                        ("reserve tx 1 reserve tx 2", "named twice"),
                        (" ".join(f"reserve r{i} 1" for i in range(9)), "all there can be")):
        with daemon(words) as d:
            assert d.wait_end() != 0
            assert says in d.log(), (words, d.log())
    with daemon("buffers-per-numa 1024  reserve tx 1000  reserve control 100") as d:
        d.wait_up()
        assert re.search("plugin buffer failed: .*reserve control 100: pool .* not so many", d.log()), d.log()
        d.stop()


def test_grows_at_low_water():
    """A worker that meets the mark has the pool grown once, while packets move; none is lost."""
    with daemon("buffers-per-numa 4096  max-per-numa 8192  grow { by 1024  below 4000 }",
                vdevs=("net_null0", "net_null1")) as d:
        d.wait_up()
        wait_for(d, lambda p: p["total"] == 5120)
        assert f"pool {POOL}: 1024 buffers more" in d.log(), d.log()
        d.stop()


def test_shrinks_when_idle():
    """What nobody needed for the time configured goes back by itself."""
    with daemon("buffers-per-numa 4096  max-per-numa 8192  grow { by 512  below 100  shrink-after 1 }") as d:
        d.wait_up()
        d.json(f"buffers grow {POOL} 512")
        assert pool(d)["total"] == 4608
        wait_for(d, lambda p: p["total"] == 4096 and p["extents"] == 1)
        d.stop()


def test_half_a_grow_is_refused():
    """grow without its mark is an error of the configuration, and is named."""
    with daemon("grow { by 512 }") as d:
        assert d.wait_end() != 0
        assert "both are needed" in d.log(), d.log()


main()
