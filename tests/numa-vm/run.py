#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run programs on a machine with two NUMA nodes, emulated by QEMU without KVM.

    run.py WORK-DIR OUTB [NAME N0,N1 PROGRAM]... [--with FOLDER FILE...]...

N0 and N1 are the 2 MiB pages that node 0 and node 1 have while PROGRAM runs.  FILEs are put into a
FOLDER of the machine for the programs to use; they may be patterns, and a FOLDER of = is the one that
they are in here.  The machine is an initial ram disk (busybox, the
programs and files, and the libraries that they are linked with), a cloud kernel and a serial line;
nothing is installed.  Ends as skipped (77), saying what is
missing, where there is no emulator or no kernel; scripts/setup.sh gets both.
"""

import glob
import gzip
import itertools
import os
import re
import shutil
import subprocess
import sys
import time

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "vmheap")
LIMIT_S = 150
NODE_MIB = 512


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(77)


def kernel():
    path = os.environ.get("VMHEAP_NUMA_KERNEL")
    if path:
        return path if os.path.exists(path) else skip(f"VMHEAP_NUMA_KERNEL: {path} is not there")
    found = sorted(glob.glob(os.path.join(CACHE, "vmlinuz-*-cloud-amd64")))
    return found[-1] if found else skip(f"no kernel for the emulator in {CACHE}: scripts/setup.sh downloads one")


def libraries(path):
    """What the loader would map, and the loader."""
    out = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    return set(re.findall(r"(?:=> )?(/\S+) \(0x", out))


class Disk:
    """An initial ram disk."""

    def __init__(self, root):
        self.root = root
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(os.path.join(root, "bin"))

    def put(self, source, target):
        target = os.path.join(self.root, target.lstrip("/"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            shutil.copy(source, target)
            os.chmod(target, 0o755)

    def program(self, source, target):
        self.put(source, target)
        for lib in libraries(source):
            # The loader is asked for by its path, all else is looked for in /lib.
            self.put(lib, lib if "/ld-linux" in lib else "/lib/" + os.path.basename(lib))

    def pack(self, path):
        names = []
        for folder, folders, files in os.walk(self.root):
            names += [os.path.relpath(os.path.join(folder, f), self.root) for f in folders + files]
        cpio = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input="\n".join(sorted(names)).encode(),
                              cwd=self.root, stdout=subprocess.PIPE, check=True)
        with gzip.open(path, "wb", compresslevel=1) as f:
            f.write(cpio.stdout)


def machine(vmlinuz, initrd):
    node = f"memory-backend-ram,size={NODE_MIB}M,id=m"
    return ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max",
            "-smp", "2,sockets=2,cores=1,threads=1", "-m", f"{2 * NODE_MIB}M",
            "-object", node + "0", "-object", node + "1",
            "-numa", "node,nodeid=0,cpus=0,memdev=m0", "-numa", "node,nodeid=1,cpus=1,memdev=m1",
            "-numa", "dist,src=0,dst=1,val=21", "-kernel", vmlinuz, "-initrd", initrd,
            "-append", "console=ttyS0 panic=-1 quiet rdinit=/init", "-nodefaults", "-display", "none",
            "-serial", "stdio", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]


def main(work, outb, *arguments):
    programs, *groups = (list(g) for is_with, g in itertools.groupby(arguments, lambda a: a == "--with") if not is_with)
    for command, package in (("qemu-system-x86_64", "qemu-system-x86"), ("busybox", "busybox-static"),
                             ("cpio", "cpio")):
        if not shutil.which(command):
            skip(f"{command} is not installed: apt-get install --no-install-recommends {package}")
    busybox = shutil.which("busybox")
    if libraries(busybox):
        skip("busybox needs libraries: apt-get install --no-install-recommends busybox-static")
    vmlinuz = kernel()
    started = time.time()
    disk = Disk(os.path.join(work, "initrd"))
    disk.put(busybox, "/bin/busybox")
    os.symlink("busybox", os.path.join(disk.root, "bin", "sh"))
    disk.put(outb, "/bin/outb")
    disk.put(os.path.join(os.path.dirname(os.path.abspath(__file__)), "init.sh"), "/init")
    names = []
    with open(os.path.join(disk.root, "tests"), "w") as tests:
        for name, pages, path in zip(programs[::3], programs[1::3], programs[2::3]):
            disk.program(path, "/bin/" + os.path.basename(path))
            tests.write(f"{name} {pages.replace(',', ' ')} {os.path.basename(path)}\n")
            names.append(name)
    for folder, *patterns in groups:
        for path in (path for pattern in patterns for path in glob.glob(pattern)):
            disk.program(path, path if folder == "=" else os.path.join(folder, os.path.basename(path)))
    initrd = os.path.join(work, "initrd.gz")
    disk.pack(initrd)
    packed = time.time()
    try:
        result = subprocess.run(machine(vmlinuz, initrd), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=LIMIT_S)
        out, code = result.stdout, result.returncode
    except subprocess.TimeoutExpired as e:
        out, code = e.stdout or b"", f"none within {LIMIT_S} s"
    out = out.decode(errors="replace").replace("\r", "")
    print(out[max(out.find("numa-vm:"), 0):])
    ended = dict(re.findall(r"^numa-vm: end (\S+) (\d+)", out, re.M))
    print(f"disk {packed - started:.1f} s, machine {time.time() - packed:.1f} s, its exit status {code}")
    missing = [n for n in names if ended.get(n) not in ("0", "77")]
    for n in missing:
        print(f"FAIL: {n}: {'exit status ' + ended[n] if n in ended else 'did not end'}")
    for n in names:
        if ended.get(n) == "77":
            print(f"FAIL: {n} skipped itself on a machine that is made for it")
            missing.append(n)
    # 1 is 2 * 0 + 1: the machine's own verdict.
    sys.exit(1 if missing or code != 1 else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
