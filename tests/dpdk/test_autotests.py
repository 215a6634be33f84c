# SPDX-License-Identifier: Apache-2.0
"""DPDK's own tests, with our ops as those of every mempool that does not name others."""
import os
import subprocess

from dpdk import DRIVER, OPS, huge_pages_free, hugetlbfs, main, need_driver, prefix

AUTOTESTS = ("mempool", "mbuf", "ring", "stack", "malloc", "memzone", "external_mem", "graph")


def autotest(name, options):
    """memzone_autotest expects a page of each size that the kernel knows, unless EAL knows less."""
    need_driver()
    if name == "memzone":
        with hugetlbfs("2M") as folder:
            run_autotest(name, options, ["--huge-dir", folder, "-m", "192"])
    elif huge_pages_free() >= 192:
        run_autotest(name, options, ["--in-memory", "-m", "256"])
    else:
        run_autotest(name, options, ["--no-huge", "-m", "512"])


def run_autotest(name, options, memory):
    words = ["dpdk-test", "-l", "0,1", "--no-pci", *memory, "--file-prefix", prefix("a"), "-d", DRIVER,
             "--mbuf-pool-ops-name", OPS]
    env = {**os.environ, "DPDK_TEST": f"{name}_autotest", "VMHEAP_DRIVER": options}
    p = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                       errors="replace", check=False)
    out = p.stdout + p.stderr
    assert p.returncode == 0 and "Test OK" in out, f"{name}: exit status {p.returncode}\n{out[-3000:]}"
    assert "vmheap: " not in out.replace("vmheap: pool", ""), f"{name}: a complaint of ours\n{out[-3000:]}"


def case(name, options, how):
    def run():
        autotest(name, options)
    run.__doc__ = f"{name}_autotest passes, {how}."
    return run


for _name in AUTOTESTS:
    globals()[f"test_{_name}_autotest"] = case(_name, "report=on", "objects where DPDK puts them")
for _name in ("mempool", "mbuf"):
    globals()[f"test_{_name}_autotest_in_arena"] = case(_name, "arena=on", "objects in our arena")
    globals()[f"test_{_name}_autotest_accounted"] = case(_name, "accounting=on", "DPDK's caches closed")

main()
