#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job: real packets between two ports, in each of its modes, and nothing lost."""
import os
import pwd
import re
import shutil
import subprocess
import tempfile

from harness import BUILD, SOURCE, Skip, main, need_huge_pages


def run(*options, prefix=(), build=BUILD, source=SOURCE):
    p = subprocess.run([*prefix, f"{source}/scripts/run.sh", "--build", build, *options], capture_output=True,
                       text=True, check=False, timeout=120, stdin=subprocess.DEVNULL)
    assert p.returncode == 0, p.stdout + p.stderr
    assert "0 buffers leaked" in p.stdout, p.stdout
    return p.stdout


def namespaces():
    p = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    return re.findall(r"^vmheap-\d+-[abd]\b", p.stdout, re.M)


def need_namespaces():
    probe = "ip netns add vmheap-0-probe && ip netns exec vmheap-0-probe true"
    allowed = subprocess.run(["sh", "-c", probe], capture_output=True, check=False).returncode == 0
    subprocess.run(["ip", "netns", "del", "vmheap-0-probe"], capture_output=True, check=False)
    if not allowed:
        raise Skip("network namespaces are not allowed here; as root, outside a chroot: make test")


def test_veth_on_huge_pages():
    """Ping and a verified UDP flow cross two af_packet ports; as many packets out as in."""
    need_namespaces()
    need_huge_pages(200)
    out = run("--mode", "veth", "--count", "5000")
    assert re.search(r"5 packets transmitted, 5 received", out), out
    assert "5000 of 5000 received, 0 damaged, 0 twice" in out, out
    assert re.search(r"packets in = packets out = \d+", out), out


def test_veth_on_small_pages():
    """The same without huge pages."""
    need_namespaces()
    out = run("--mode", "veth", "--count", "2000", "--no-huge", "--quiet")
    assert "2000 of 2000 received" in out, out


def test_route():
    """Two namespaces on links of their own reach each other through us, IPv4 and IPv6, and us at both ports."""
    need_namespaces()
    out = run("--mode", "route", "--count", "2000", "--no-huge", "--quiet")
    assert out.count("5 packets transmitted, 5 received") == 6, out
    assert out.count("2000 of 2000 received, 0 damaged, 0 twice") == 2, out
    assert "Time to live exceeded" in out and "Hop limit" in out, out


def test_pcap():
    """Where namespaces are not allowed, captures made by the run come out byte for byte."""
    out = run("--mode", "pcap", "--count", "3000", "--no-huge", "--quiet")
    assert out.count("contents equal") == 2, out


def test_without_root():
    """An ordinary user gets the whole job on 4 KiB pages, and is told what is degraded."""
    if os.geteuid() != 0:
        raise Skip("already not root: the other cases show it")
    # The build folder may lie where only root can look, so the user gets a copy of what runs.
    with tempfile.TemporaryDirectory(prefix="vmheap-user-") as work:
        nobody = pwd.getpwnam("nobody")
        os.chmod(work, 0o755)
        for part in ("src/cli/vmheap", "src/cli/vmheapctl"):
            os.makedirs(os.path.dirname(f"{work}/build/{part}"), exist_ok=True)
            shutil.copy(f"{BUILD}/{part}", f"{work}/build/{part}")
        shutil.copytree(f"{SOURCE}/scripts", f"{work}/scripts")
        os.makedirs(f"{work}/build/src/plugins")
        os.makedirs(f"{work}/build/src/vppinfra")
        for folder in ("src/plugins", "src/vppinfra"):
            for name in os.listdir(f"{BUILD}/{folder}"):
                if ".so" in name and os.path.isfile(f"{BUILD}/{folder}/{name}"):
                    shutil.copy(f"{BUILD}/{folder}/{name}", f"{work}/build/{folder}/{name}")
        out = run("--mode", "pcap", "--count", "1000", "--quiet", source=work, build=f"{work}/build",
                  prefix=("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
                          "env", "-u", "XDG_RUNTIME_DIR", "HOME=/tmp"))
        assert out.count("contents equal") == 2, out


def test_null():
    """net_null moves millions and gives every buffer back."""
    out = run("--mode", "null", "--seconds", "1", "--no-huge", "--quiet")
    assert float(re.search(r"forwarded ([\d.]+) million", out).group(1)) > 0.1, out


def test_nothing_is_left_behind():
    """After a run, and after one that was killed outright, no namespace and no folder stays."""
    need_namespaces()
    before = namespaces()
    run("--mode", "veth", "--count", "200", "--no-huge", "--quiet")
    assert namespaces() == before
    p = subprocess.Popen([f"{SOURCE}/scripts/run.sh", "--build", BUILD, "--mode", "veth", "--count", "10000000",
                          "--no-huge", "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         start_new_session=True)
    try:
        for _ in range(200):
            if len(namespaces()) > len(before):
                break
            try:
                p.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        assert len(namespaces()) > len(before), "the run did not start"
    finally:
        os.killpg(p.pid, 9)
        p.wait()
    subprocess.run([f"{SOURCE}/scripts/run.sh", "--cleanup"], check=True)
    assert namespaces() == before


main()
