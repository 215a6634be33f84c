# SPDX-License-Identifier: Apache-2.0
"""The drop-in itself: what it refuses, what it brings along when asked, and its static form."""
import json
import os
import re
import shutil
import subprocess
import tempfile

from dpdk import BUILD, CLIENT, DRIVER, RUN, Program, Testpmd, main, need_driver, prefix

MEMIF = ("net_null0", "net_null1")
PLUGIN_LIBRARY = f"{BUILD}/src/plugins/libvmheap-plugin.so.0"


def testpmd(*eal, ops="vmheap", env=None, driver=DRIVER, main_args=("--total-num-mbufs=2048",)):
    """A whole run that ends by itself, or is refused."""
    need_driver()
    words = ["dpdk-testpmd", "-l", "0,1", "--no-pci", "--no-huge", "-m", "128", "--file-prefix", prefix("d"),
             *(["-d", driver] if driver else []), "--mbuf-pool-ops-name", ops, *eal, "--vdev=net_null0", "--", *main_args]
    p = subprocess.run(words, input="\n", capture_output=True, text=True, timeout=60, check=False,
                       env={**os.environ, **(env or {})})
    return p.returncode, p.stdout + p.stderr


def test_loads_and_reports():
    """Loaded and asked to report: one line a pool, nothing lost."""
    status, out = testpmd("--vdev=vmheap0,report=on")
    assert status == 0, out
    assert re.search(r"vmheap: pool mb_pool_0: 2048 buffers, 0 lost", out), out


def test_says_nothing_unless_asked():
    """Without options the program's output is its own."""
    status, out = testpmd()
    assert status == 0 and "vmheap:" not in out, out


def test_unknown_options_are_errors():
    """In the device's words or the environment's: the message names the word, and no pool is made."""
    for eal, env, text in (
        (("--vdev=vmheap0,arna=on",), {}, "--vdev=vmheap0: unknown option 'arna', expected arena=on|off"),
        ((), {"VMHEAP_DRIVER": "report"}, "VMHEAP_DRIVER: report=: expected on or off"),
        ((), {"VMHEAP_DRIVER": "report=on,"}, "VMHEAP_DRIVER: nothing after the last comma"),
        ((), {"VMHEAP_DRIVER": "cli=x.sock"}, "VMHEAP_DRIVER: cli=x.sock: expected an absolute path"),
        ((), {"VMHEAP_DRIVER": "accounting=maybe"}, "VMHEAP_DRIVER: accounting=maybe: expected on or off"),
    ):
        status, out = testpmd(*eal, env=env)
        assert status != 0, f"{eal} {env} accepted:\n{out}"
        assert text in out, f"no '{text}' in:\n{out}"


def test_device_wins_over_environment():
    """Both may be given: the device's words come on top."""
    status, out = testpmd("--vdev=vmheap0,report=on", env={"VMHEAP_DRIVER": "report=off,accounting=on"})
    assert status == 0 and "0 lost" in out, out
    assert "0 in DPDK's caches" in out, out


def test_two_devices_are_refused():
    """A second one would only contradict the first."""
    _, out = testpmd("--vdev=vmheap0,report=on", "--vdev=vmheap1,report=off")
    assert "vmheap: more than one vmheap device" in out, out


def test_not_registered_twice():
    """With the library of the pools loaded as well there is one set of ops, and no complaint."""
    status, out = testpmd("-d", PLUGIN_LIBRARY, "--vdev=vmheap0,report=on")
    assert status == 0 and "0 lost" in out and "loaded twice" not in out, out


def test_a_second_copy_stays_out_of_the_way():
    """A copy of the libraries under another name says that it is one too many; the first one works."""
    need_driver()
    folder = tempfile.mkdtemp(prefix="vmheap-copy-", dir=RUN)
    try:
        # The archive holds all of it, so a library made of it needs none of ours.
        copy = f"{folder}/librte_mempool_copy.so"
        libraries = ["-lrte_graph", "-lnuma", "-lm"]
        subprocess.run(["gcc", "-shared", "-o", copy, "-Wl,--whole-archive",
                        f"{BUILD}/src/plugins/driver/librte_mempool_vmheap.a", "-Wl,--no-whole-archive", *libraries],
                       check=True)
        status, out = testpmd("-d", copy, "--vdev=vmheap0,report=on")
        assert "loaded twice, the second copy makes no pools" in out, out
        assert status == 0 and "0 lost" in out, out
    finally:
        shutil.rmtree(folder)


def test_world_writable_path_is_refused_by_eal():
    """Below a folder that everybody may write EAL loads nothing; this is what it says."""
    need_driver()
    folder = tempfile.mkdtemp(prefix="vmheap-open-", dir=RUN)
    try:
        os.chmod(folder, 0o777)
        shutil.copy(DRIVER, folder)
        status, out = testpmd(driver=f"{folder}/librte_mempool_vmheap.so")
        assert status != 0 and "world-writable and insecure" in out, out
    finally:
        shutil.rmtree(folder)


def test_company():
    """Asked for a socket and telemetry: show buffers, show memory and /vmheap/... from a running testpmd."""
    need_driver()
    path = f"{RUN}/{prefix('c')}.sock"
    with Testpmd("c", "in-memory", MEMIF, options=f"report=on,telemetry=on,cli={path}") as t:
        t.wait_up()
        t.command("start")

        def ctl(*words):
            p = subprocess.run([CLIENT, "-s", path, *words], capture_output=True, text=True, timeout=30, check=False)
            assert p.returncode == 0, f"{words}: {p.stdout}{p.stderr}"
            return p.stdout

        pools = json.loads(ctl("-j", "show", "buffers"))["pools"]
        assert [(p["name"], p["total"]) for p in pools] == [("mb_pool_0", 4096)], pools
        assert "mempool mb_pool_0, ops vmheap" in ctl("show", "buffers", "detail")
        assert "main heap" in ctl("show", "memory")
        assert "0 bytes unexplained" in ctl("show", "memory", "map") or "Unexplained" in ctl("show", "memory")
        t.command("stop")

        def ask(command):
            p = subprocess.run(["dpdk-telemetry.py", "-f", prefix("c")], input=f"{command}\n", capture_output=True,
                               text=True, timeout=30, check=False)
            answers = [json.loads(x) for x in p.stdout.splitlines() if x.startswith('{"/vmheap')]
            assert answers, f"{command}: {p.stdout}{p.stderr}"
            return list(answers[0].values())[0]

        assert ask("/vmheap/pools") == ["mb_pool_0"]
        pool = ask("/vmheap/pool,mb_pool_0")
        assert pool["total"] == 4096 and pool["used"] == 0, pool
        assert pool["depot"] + pool["cached"] + pool["dpdk_cached"] == 4096, pool
        assert sum(ask("/vmheap/threads,mb_pool_0").values()) == pool["cached"], pool
        assert ask("/vmheap/memory")["committed_bytes"] > 0
        assert ask("/vmheap/pool,nobody") is None
        pools = t.quit()
        assert pools == {"mb_pool_0": (4096, 0, 0)}, pools
        assert not os.path.exists(path), "the socket is still there"


def test_accounting_names_the_owners():
    """64 packets go round in a ring: who took them, where and when, in a program built without us."""
    need_driver()
    path = f"{RUN}/{prefix('o')}.sock"
    with Testpmd("o", "in-memory", ("net_ring0", "net_ring1"), options=f"report=on,accounting=on,cli={path}") as t:
        t.wait_up()
        t.forward("io", 0.2, tx_first=True)
        p = subprocess.run([CLIENT, "-s", path, "-j", "show", "buffers", "owners"], capture_output=True, text=True,
                           timeout=30, check=False)
        assert p.returncode == 0, p.stdout + p.stderr
        owners = json.loads(p.stdout)["owners"]
        assert sum(o["buffers"] for o in owners) == 64, owners
        t.forward("rxonly", 0.2)
        p = subprocess.run([CLIENT, "-s", path, "-j", "show", "buffers", "owners"], capture_output=True, text=True,
                           timeout=30, check=False)
        assert not json.loads(p.stdout).get("owners"), p.stdout
        assert t.quit() == {"mb_pool_0": (4096, 0, 0)}


def test_company_socket_in_use():
    """Somebody listens there: the message says so, and the program is told where it asks for a pool."""
    path = f"{RUN}/{prefix('u')}.sock"
    need_driver()
    with Testpmd("u", "in-memory", MEMIF, options=f"cli={path}") as t:
        t.wait_up()
        status, out = testpmd(env={"VMHEAP_DRIVER": f"cli={path}"})
        assert status != 0 and f"vmheap: cli={path}: " in out, out
        t.send("quit")
        assert t.end() == 0


def test_static_form():
    """A program with DPDK and the archive inside: same ops, same options, no -d."""
    need_driver()
    words = [f"{BUILD}/tests/dpdk/static_user", "-l", "0", "--no-pci", "--in-memory", "-m", "64", "--file-prefix",
             prefix("t"), "--", "vmheap"]
    with Program(words, {"VMHEAP_DRIVER": "report=on,arena=on"}) as p:
        p.wait_for(r"(?m)^ready\n")
        p.send("churn 50")
        p.wait_for(r"churned \d+ wrong 0\n")
        p.send("all")
        p.wait_for(r"all 8000 distinct 8000\n")
        p.process.stdin.close()
        assert p.end() == 0, p.output
        assert "vmheap: pool shared: 8000 buffers, 0 lost" in p.output, p.output
    linked = subprocess.run(["ldd", words[0]], capture_output=True, text=True, check=True).stdout
    assert "librte" not in linked and "libvmheap" not in linked, linked


def test_static_form_has_no_socket():
    """It says so, instead of loading a second copy."""
    need_driver()
    words = [f"{BUILD}/tests/dpdk/static_user", "-l", "0", "--no-pci", "--in-memory", "-m", "64", "--file-prefix",
             prefix("t"), "--vdev=vmheap0,cli=/run/vmheap-static.sock", "--", "vmheap"]
    with Program(words) as p:
        assert p.end() == 1, p.output
        assert "not in a statically linked program" in p.output, p.output


main()
