#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad configuration and bad plugins: one clear error each, and the daemon goes on where it can."""
import os
import re
import shutil
import subprocess
import tempfile

from harness import CONFIG, DAEMON, Daemon, PLUGINS, Skip, main

GOOD = "unix {{ cli-listen {work}/cli.sock }}\ncpu {{ main-core 0 }}\nplugins {{ path " + PLUGINS + " }}\ndpdk {{ no-pci no-huge }}\n"


def refused(config, *patterns):
    """The daemon ends with status 1 and says each of the patterns, the place among them."""
    work = tempfile.mkdtemp(prefix="vmheap-e2e-")
    try:
        with Daemon(work=work, config=config.replace("{{", "{").replace("}}", "}").replace("{work}", work)) as d:
            assert d.wait_end() == 1, d.log()
            for pattern in patterns:
                assert re.search(pattern, d.log()), f"{pattern!r} not in:\n{d.log()}"
            assert not os.path.exists(d.socket)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def test_unknown_stanza_and_keys():
    """File, line, the word, and what was expected."""
    refused(GOOD + "memroy {{ main-heap-size 1G }}\n", r"startup\.conf:5:", "memroy", "expected")
    refused(GOOD + "memory {{\n  main-heap-sise 1G\n}}\n", r"startup\.conf:6:", "main-heap-sise", "expected")
    refused(GOOD + "buffers {{\n  buffers-per-numa 100\n  colour blue\n}}\n", r"startup\.conf:7:", "colour", "expected")
    refused(GOOD + "memory {{ main-heap-size lots }}\n", r"startup\.conf:5:", "lots")
    refused(GOOD + "cpu {{ main-core 0\n", r"startup\.conf:5:5:", "never closed")
    refused(GOOD + "}}\n", r"startup\.conf:5:", "}")


def test_values_that_cannot_be():
    """A heap larger than memory, a CPU and a node that do not exist."""
    refused(GOOD + "memory {{ main-heap-size 64T }}\n", "main", r"64[tT]|65536[gG]|larger")
    refused(GOOD.replace("main-core 0", "main-core 4000"), "4000")


def test_missing_file():
    """The named file is not there, or is a folder."""
    for path in ("/nonexistent/startup.conf", "/tmp"):
        p = subprocess.run([DAEMON, "-c", path], capture_output=True, text=True, check=False, timeout=30)
        assert p.returncode == 1, p
        assert path in p.stdout + p.stderr, p


def test_a_port_that_does_not_exist():
    """xconnect of a port nobody has: the error names it; a vdev that cannot start says which."""
    with Daemon(extra="xconnect { net_null0 net_nul1 }") as d:
        status = None
        try:
            d.wait_up()
        except AssertionError:
            status = d.process.returncode
        assert "net_nul1" in d.log(), d.log()
        assert status in (None, 1)


def test_a_failed_plugin_gives_everything_back():
    """A node nobody has, no worker for the ports: the plugins fail, the daemon goes on, nothing leaks."""
    for extra, line in (("buffers {{ numa 7 {{ buffers 5 }} }}", r"plugin buffer failed: .*numa 7"),
                        ("cpu {{ workers 0 }}", r"plugin ethdev failed: .*ports need a worker")):
        config = CONFIG.replace("workers 1", "").replace("buffers {{ buffers-per-numa 4096 }}", "")
        config = config.replace("{extra}", extra + "\nxconnect {{ net_null0 net_null1 }}")
        work = tempfile.mkdtemp(prefix="vmheap-e2e-")
        try:
            words = "no-huge vdev net_null0 vdev net_null1"
            config = config.format(work=work, plugins=PLUGINS, plugin_words="", dpdk_words=words)
            with Daemon(work=work, config=config) as d:
                d.wait_up()
                assert re.search(line, d.log()), d.log()
                d.process.terminate()
                assert d.wait_end() == 0, d.log()
                assert "0 heap objects and 0 arena spans leaked" in d.log(), d.log()
        finally:
            shutil.rmtree(work, ignore_errors=True)


def test_marks_and_line_ends_of_other_systems():
    """UTF-8 with a byte order mark and CRLF is read like any other file."""
    config = GOOD.replace("{{", "{").replace("}}", "}").replace("{work}", "/nonexistent/folder")
    with Daemon(config="\ufeff" + config.replace("\n", "\r\n")) as d:
        assert d.wait_end() == 1
        assert "cli-listen /nonexistent/folder/cli.sock" in d.log() and "unknown" not in d.log(), d.log()


def test_too_few_descriptors():
    """EAL panics when they run out: the daemon says so before, with the command that helps."""
    with Daemon(prefix=("prlimit", "--nofile=16:16")) as d:
        assert d.wait_end() == 1, d.log()
        assert "ulimit -Hn" in d.log() and "PANIC" not in d.log(), d.log()


CLOSED = """
awk '$3 == "hugetlbfs" { print $2 }' /proc/mounts | xargs -r -n1 umount -l
mkdir "$1" "$1"/huge && mount -t hugetlbfs -o pagesize=2M,mode=0700,uid=65534 none "$1"/huge || exit 77
[ "$2" = closed ] || mount -t tmpfs none "$1" || exit 77
shift 2
exec setpriv --bounding-set=-dac_override,-dac_read_search "$@"
"""


def without_hugetlbfs(how, reason):
    """A daemon where the only hugetlbfs cannot be opened, closed to it or hidden by another mount."""
    work = tempfile.mkdtemp(prefix="vmheap-e2e-")
    try:
        with Daemon(huge=True, work=work, vdevs=(),
                    prefix=("unshare", "-m", "sh", "-c", CLOSED, "sh", f"{work}/m", how)) as d:
            try:
                d.wait_up()
            except AssertionError:
                if d.process.poll() in (77, 1) and "vmheap:" not in d.log():
                    raise Skip("a hugetlbfs cannot be mounted here, or not in a namespace: run as root")
                raise
            assert f"cannot open the hugetlbfs at {work}/m/huge ({reason})" in d.log(), d.log()
            d.stop()
    finally:
        shutil.rmtree(work, ignore_errors=True)


def test_a_hugetlbfs_that_cannot_be_opened():
    """EAL gives up over it, although it needs none: it is told to do without huge pages, with the reason."""
    without_hugetlbfs("closed", "Permission denied")
    without_hugetlbfs("hidden", "No such file or directory")


def plugin_folder(**files):
    """A copy of the plugins with extra files in it."""
    folder = tempfile.mkdtemp(prefix="vmheap-plugins-")
    for name in os.listdir(PLUGINS):
        if name.endswith("_plugin.so"):
            shutil.copy(f"{PLUGINS}/{name}", folder)
    for name, data in files.items():
        with open(f"{folder}/{name}_plugin.so", "wb") as f:
            f.write(data)
    return folder


def test_bad_plugins_are_refused_and_the_daemon_goes_on():
    """Truncated, not ELF, empty, of another ABI: each refused with its own reason, the rest runs."""
    with open(f"{PLUGINS}/sample_plugin.so", "rb") as f:
        good = f.read()
    where = good.index(b"vmheap\0\0") + 8
    abi = bytearray(good)
    abi[where + 4] ^= 0x7F  # vmheap_plugin_note_t.abi
    folder = plugin_folder(truncated=good[:200], text=b"#!/bin/sh\necho hello\n", empty=b"", abi=bytes(abi))
    try:
        with Daemon(plugins=folder) as d:
            d.wait_up()
            shown = d.json("show plugins verbose")
            log = d.log()
            reasons = {p["name"]: p["reason"] for p in shown["not_in_use"] if p["state"] == "refused"}
            for name in ("truncated", "text", "empty", "abi"):
                assert f"{name}_plugin.so" in log, log
                assert reasons[f"{name}_plugin.so"], reasons
            assert len(set(reasons.values())) == 4, reasons
            assert "buffer_plugin.so" in [p["name"] for p in shown["plugins"]], shown
            d.stop()
    finally:
        shutil.rmtree(folder)


def test_a_folder_without_plugins():
    """The wrong path: the daemon runs, and says in one line why nothing moves."""
    with tempfile.TemporaryDirectory(prefix="vmheap-plugins-") as folder:
        with Daemon(plugins=folder, vdevs=(), extra="", config=CONFIG.replace("buffers {{ buffers-per-numa 4096 }}", "").format(
                work=folder, plugins=folder, plugin_words="", dpdk_words="no-huge", extra=""), work=folder) as d:
            d.wait_up()
            assert f"no NAME_plugin.so in {folder}" in d.log(), d.log()
            d.process.terminate()
            assert d.wait_end() == 0, d.log()


def test_a_required_plugin_ends_the_start():
    """`plugin NAME { require }` turns the same refusal into exit status 1."""
    folder = plugin_folder(text=b"not a shared object")
    try:
        with Daemon(plugins=folder, plugin_words="plugin text { require }") as d:
            assert d.wait_end() == 1, d.log()
            assert "text_plugin.so" in d.log(), d.log()
    finally:
        shutil.rmtree(folder)


def test_a_disabled_plugin_stays_out():
    """`plugin sample { disable }`: its commands are not there, and `show plugins` says why."""
    with Daemon(plugin_words="plugin sample { disable }") as d:
        d.wait_up()
        shown = d.json("show plugins verbose")
        assert "sample_plugin.so" not in [p["name"] for p in shown["plugins"]], shown
        assert [p["state"] for p in shown["not_in_use"] if p["name"] == "sample_plugin.so"] == ["disabled"], shown
        assert d.ctl("sample id show").returncode == 1
        d.stop()


main()
