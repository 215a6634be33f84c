#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/ build and run against the installed library, through pkg-config alone."""
import glob
import os
import re
import shutil
import stat
import subprocess
import tempfile

from harness import BUILD, SOURCE, Skip, huge_pages_free, main

# DPDK refuses drivers under a folder that everybody may write to, so not /tmp.
WORK = tempfile.mkdtemp(prefix="examples-", dir=BUILD)
ENV = {}


def installed():
    """The environment of a user after the install; done once."""
    if not ENV:
        root = f"{WORK}/root"
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], check=True,
                       env={**os.environ, "DESTDIR": root}, stdout=subprocess.DEVNULL)
        pc = glob.glob(f"{root}/**/libvmheap-plugin.pc", recursive=True)
        assert len(pc) == 1, pc
        # pkg-config puts the sysroot before DPDK's own folders too: they are taken off again.
        libdir = os.path.dirname(os.path.dirname(pc[0]))
        for path in glob.glob(f"{os.path.dirname(pc[0])}/*.pc"):
            with open(path, encoding="utf-8") as f:
                text = re.sub(r"^prefix=", f"prefix={root}", f.read(), flags=re.M)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        ENV.update(os.environ, PKG_CONFIG_PATH=os.path.dirname(pc[0]), LD_LIBRARY_PATH=libdir,
                   CFLAGS="-Werror", LIBDIR=libdir)
    return ENV


def build(name):
    copy = f"{WORK}/{name}"
    shutil.copytree(f"{SOURCE}/examples/{name}", copy)
    p = subprocess.run(["make", "-C", copy], env=installed(), capture_output=True, text=True, check=False)
    assert p.returncode == 0, p.stdout + p.stderr
    return f"{copy}/{name}"


def run(*command, timeout=40):
    p = subprocess.run(command, env=installed(), capture_output=True, text=True, check=False, timeout=timeout,
                       stdin=subprocess.DEVNULL)
    assert p.returncode == 0, f"{command}: {p.returncode}\n{p.stdout}{p.stderr}"
    return p.stdout + p.stderr


def test_plain():
    """Twenty lines of C: containers, a heap, and what show memory says."""
    with open(f"{SOURCE}/examples/plain/plain.c", encoding="utf-8") as f:
        body = f.read().split("int main(void)\n{\n")[1]
    # Declarations and comments apart.
    assert body.count(";") <= 22, "about twenty statements"
    out = run(build("plain"))
    assert "1000 squares, session 0" in out, out
    assert "main heap" in out and "total:" in out, out
    assert re.search(r"\d+ objects", out), out


def test_l2fwd():
    """A DPDK program with our pool moves packets, shows its memory, and every buffer comes back."""
    cpus = sorted(os.sched_getaffinity(0))
    lcores = f"0@{cpus[0]},1@{cpus[-1]}"
    memory = ["--no-huge", "-m", "64", "--no-shconf"]
    out = run(build("l2fwd"), "--lcores", lcores, *memory, "--no-pci", "--no-telemetry",
              f"--file-prefix=ex{os.getpid()}", "--vdev=net_null0", "--vdev=net_null1", "--", "1")
    assert int(re.search(r"forwarded (\d+) packets", out).group(1)) > 10000, out
    assert "0 buffers leaked" in out and "total:" in out, out
    assert re.search(r"pool l2fwd: 8192 buffers", out), out


def test_unmodified():
    """Debian's testpmd forwards on our pool."""
    driver = f"{installed()['LIBDIR']}/librte_mempool_vmheap.so"
    if not os.path.exists(driver):
        raise Skip("the build has no librte_mempool_vmheap.so")
    if not shutil.which("dpdk-testpmd"):
        raise Skip("dpdk-testpmd is not installed: apt-get install dpdk-dev")
    folder = driver
    while folder != "/":
        folder = os.path.dirname(folder)
        if os.stat(folder).st_mode & stat.S_IWOTH:
            raise Skip(f"EAL loads no driver below {folder}, which everybody may write: build elsewhere")
    ENV["VMHEAP_DROPIN"] = driver
    memory = ["--in-memory"] if huge_pages_free() >= 100 else ["--no-huge", "-m", "256", "--no-shconf"]
    out = run(f"{SOURCE}/examples/unmodified/testpmd.sh", "3", f"--file-prefix=ex{os.getpid()}", *memory)
    assert "Failed" not in out, out
    assert sum(int(n) for n in re.findall(r"TX-packets:\s+(\d+)", out)) > 10000, out


try:
    main()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
