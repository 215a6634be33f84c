# SPDX-License-Identifier: Apache-2.0
"""Several processes on one of our pools: counts are true in each, and one that dies in the middle
takes what it holds, and nothing else."""
import contextlib
import os
import re
import subprocess
import time

from dpdk import BUILD, DRIVER, OPS, Program, Testpmd, hugetlbfs, main, need_driver, prefix

USER = f"{BUILD}/tests/dpdk/share_user"
N_OBJECTS = 8000
MAX_BURST = 700
N_KILLS = int(os.environ.get("N_KILLS", "8"))


class User(Program):
    """share_user, its words and answers."""

    def __init__(self, name, folder, core, *eal, secondary=False, options="report=on", driver=True):
        words = [USER, "--lcores", f"0@{core}", "--no-pci", "--file-prefix", name, "--huge-dir", folder]
        words += ["--proc-type", "secondary"] if secondary else ["-m", "64"]
        words += ["-d", DRIVER] if driver else []
        super().__init__([*words, *eal, "--", OPS], {"VMHEAP_DRIVER": options})
        self.at = 0

    def wait_up(self):
        self.at = self.wait_for(r"(?m)^ready\n")
        return self

    def ask(self, line, pattern):
        self.send(line)
        start = self.at
        self.at = self.wait_for(rf"(?m)^{pattern}\n", start)
        return [int(n) for n in re.findall(r"\d+", re.search(rf"(?m)^{pattern}\n", self.output[start:]).group(0))]

    def close(self):
        self.process.stdin.close()
        status = self.end()
        assert status == 0, f"exit status {status}:\n{self.output[-2000:]}"
        return self.output


@contextlib.contextmanager
def primary(**kw):
    need_driver()
    with hugetlbfs("2M") as folder:
        name = prefix("s")
        with User(name, folder, 0, **kw) as p:
            yield p.wait_up(), lambda *a, **k: User(name, folder, 1, *a, secondary=True, **k)


def test_counts_are_true_in_both():
    """What one takes is missing in the other's count; what it gives back is there again."""
    with primary() as (p, secondary):
        with secondary().wait_up() as s:
            assert s.ask("count", r"count \d+") == [N_OBJECTS]
            p.ask("get 1000", r"got \d+")
            s.ask("get 500", r"got \d+")
            assert s.ask("count", r"count \d+") == p.ask("count", r"count \d+") == [N_OBJECTS - 1500]
            s.ask("put", r"put 500")
            p.ask("put", r"put 1000")
            assert s.ask("count", r"count \d+") == p.ask("count", r"count \d+") == [N_OBJECTS]
            s.close()
        assert p.ask("all", r"all \d+ distinct \d+") == [N_OBJECTS, N_OBJECTS]
        assert "8000 buffers, 0 lost" in p.close()


def test_ops_are_bound_by_name():
    """Drivers loaded in another order: a secondary without our order would call somebody else's."""
    extra = "/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_mempool_stack.so"
    with primary() as (p, secondary):
        with secondary("-d", extra, "-d", extra.replace("stack", "ring")).wait_up() as s:
            assert s.ask("count", r"count \d+") == [N_OBJECTS]
            assert s.ask("churn 100", r"churned \d+ wrong \d+")[1] == 0
            s.close()
        p.close()


def test_a_secondary_gets_what_the_primary_cached():
    """All that is free is to be had, though the primary's magazines hold some of it."""
    with primary() as (p, secondary):
        p.ask("churn 50", r"churned \d+ wrong 0")
        with secondary().wait_up() as s:
            assert s.ask("all", r"all \d+ distinct \d+") == [N_OBJECTS, N_OBJECTS]
            s.close()
        p.close()


def test_both_at_once():
    """A primary and a secondary on two cores: nobody gets what the other one holds."""
    with primary() as (p, secondary):
        with secondary().wait_up() as s:
            s.send("churn 1500")
            assert p.ask("churn 1500", r"churned \d+ wrong \d+")[1] == 0
            s.at = s.wait_for(r"churned \d+ wrong 0\n", s.at)
            s.close()
        assert p.ask("all", r"all \d+ distinct \d+") == [N_OBJECTS, N_OBJECTS]
        assert "8000 buffers, 0 lost" in p.close()


def test_killed_in_the_middle():
    """kill -9 at any instant: the primary goes on, what is missing is what the dead held."""
    with primary() as (p, secondary):
        for n in range(1, N_KILLS + 1):
            with secondary().wait_up() as s:
                s.send("churn 0")
                p.send("churn 150")
                time.sleep(0.05 + 0.007 * n)
                s.process.kill()
                s.process.wait()
            p.at = p.wait_for(r"churned \d+ wrong 0\n", p.at, seconds=20)
            count, = p.ask("count", r"count \d+")
            assert count >= N_OBJECTS - n * MAX_BURST, f"{count} left after {n} deaths"
            assert p.ask("all", r"all \d+ distinct \d+") == [count, count]
        p.close()


def test_arena_is_not_for_secondaries():
    """Objects in our arena are the primary's alone: a secondary sees the counts and gets none."""
    with primary(options="arena=on,report=on") as (p, secondary):
        with secondary().wait_up() as s:
            assert s.ask("count", r"count \d+") == [N_OBJECTS]
            s.ask("get 1", "none")
            s.close()
        assert "8000 buffers, 0 lost" in p.close()


def test_proc_info():
    """dpdk-proc-info --show-mempool reads testpmd's pool: our name, and counts that add up."""
    need_driver()
    with hugetlbfs("2M") as folder, Testpmd("i", "2M", ("net_null0",), folder=folder, args=("--mbcache=0",)) as t:
        t.wait_up()
        p = subprocess.run(["dpdk-proc-info", "--no-pci", "--file-prefix", prefix("i"), "-d", DRIVER, "--",
                            "--show-mempool=mb_pool_0"], capture_output=True, text=True, timeout=60, check=False)
        assert p.returncode == 0, p.stdout + p.stderr
        assert "ops_name vmheap" in p.stdout, p.stdout
        assert re.search(r"avail \(4096\), in use \(0\)", p.stdout), p.stdout
        t.quit()


main()
