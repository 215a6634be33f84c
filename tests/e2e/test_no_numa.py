#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NUMA system calls refused, as in many containers: degraded in so many words, and it forwards."""
import re
import subprocess
import time

from harness import BUILD, Daemon, Skip, huge_pages_free, main

DENY = f"{BUILD}/tests/e2e/deny_numa"


def forwards(huge):
    """The daemon under the filter moves packets and says in one line each what is degraded."""
    if subprocess.run([DENY, "true"], capture_output=True, check=False).returncode == 77:
        raise Skip("seccomp filters are not allowed here")
    with Daemon(huge=huge, prefix=(DENY,)) as d:
        d.wait_up()
        end = time.monotonic() + 10
        while not d.json("show interface")["interfaces"][0]["tx_packets"] and time.monotonic() < end:
            time.sleep(0.05)
        assert d.json("show interface")["interfaces"][0]["tx_packets"] > 0, d.text("show interface")
        log = d.stop()
        assert re.search(r"degraded: numa-0: NUMA calls are refused.*--cap-add SYS_NICE", log), log
        if huge and huge_pages_free() * 2 >= 64:
            assert re.search(r"degraded: EAL runs on 4K pages, NUMA calls are refused.*SYS_NICE", log), log
        assert "0 heap objects and 0 arena spans leaked" in log, log


def test_on_small_pages():
    """Without huge pages."""
    forwards(False)


def test_on_huge_pages():
    """With what huge pages there are: EAL alone goes without."""
    forwards(True)


main()
