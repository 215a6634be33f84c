# SPDX-License-Identifier: Apache-2.0
"""What the tests of the drop-in share: DPDK's own programs with librte_mempool_vmheap.so.

A driver must not lie below a folder that everybody may write: EAL refuses it.  The build is not.
"""
import contextlib
import os
import pty
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import BUILD, CLIENT, Skip, huge_pages_free, main  # noqa: E402,F401

# Told to end, a test still gives back its mounts, pages and processes.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

DRIVER = f"{BUILD}/src/plugins/driver/librte_mempool_vmheap.so"
OPS = "vmheap"
RUN = "/run"  # EAL's sockets, ours, and mounts: short paths, root's


def need(program):
    if not shutil.which(program):
        raise Skip(f"no {program}: apt-get install dpdk dpdk-dev iproute2")


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root: hugetlbfs, network namespaces")


def world_writable_part(path):
    """The part of a path that EAL would refuse, or None."""
    while path != "/":
        if os.stat(path).st_mode & stat.S_IWOTH and not os.path.islink(path):
            return path
        path = os.path.dirname(path)
    return None


def need_driver():
    need_root()
    for program in ("dpdk-testpmd", "dpdk-test", "dpdk-proc-info"):
        need(program)
    bad = world_writable_part(DRIVER)
    if bad:
        raise Skip(f"EAL loads no driver below {bad}, which everybody may write: build elsewhere")


def prefix(name):
    return f"vmh{os.getpid()}{name}"


def sh(*words, check=True):
    return subprocess.run(words, capture_output=True, text=True, check=check)


@contextlib.contextmanager
def hugetlbfs(page, n_needed=96):
    """A mount of our own, and for 1 GiB pages so many that we reserve and give back."""
    kib = {"2M": 2048, "1G": 1048576}[page]
    knob = f"/sys/kernel/mm/hugepages/hugepages-{kib}kB"
    before = None
    if not os.path.exists(knob):
        raise Skip(f"this machine has no pages of {page}")
    with open(f"{knob}/nr_hugepages", encoding="ascii") as f:
        n = int(f.read())
    with open(f"{knob}/free_hugepages", encoding="ascii") as f:
        free = int(f.read())
    if page == "1G" and free < n_needed:
        before = n
        with open(f"{knob}/nr_hugepages", "w", encoding="ascii") as f:
            f.write(str(n + n_needed - free))
        with open(f"{knob}/free_hugepages", encoding="ascii") as f:
            free = int(f.read())
    folder = tempfile.mkdtemp(prefix="vmheap-huge-", dir=RUN)
    try:
        if free < n_needed:
            raise Skip(f"{free} free pages of {page}, not {n_needed}: sysctl vm.nr_hugepages=512, or boot with hugepagesz=1G")
        if sh("mount", "-t", "hugetlbfs", "-o", f"pagesize={page}", "none", folder, check=False).returncode:
            raise Skip(f"cannot mount hugetlbfs of {page}")
        try:
            yield folder
        finally:
            sh("umount", folder, check=False)
    finally:
        os.rmdir(folder)
        if before is not None:
            with open(f"{knob}/nr_hugepages", "w", encoding="ascii") as f:
                f.write(str(before))


class Program:
    """One of DPDK's programs, its output seen as it comes: it writes to a terminal."""

    def __init__(self, words, env=None):
        self.words = words
        self.output = ""
        self.lock = threading.Condition()
        master, slave = pty.openpty()
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=slave, stderr=slave,
                                        env={**os.environ, **(env or {})})
        os.close(slave)
        self.reader = threading.Thread(target=self._read, args=(master,), daemon=True)
        self.reader.start()

    def _read(self, fd):
        while True:
            try:
                data = os.read(fd, 65536)
            except OSError:
                data = b""
            with self.lock:
                self.output += data.decode(errors="replace").replace("\r", "")
                self.lock.notify_all()
            if not data:
                os.close(fd)
                return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(5)
        self.process.stdin.close()

    def wait_for(self, pattern, start=0, seconds=40):
        """Position behind the pattern, from `start` on; fails, and ends the program, without it."""
        try:
            return self._wait_for(pattern, start, seconds)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _wait_for(self, pattern, start, seconds):
        end = time.monotonic() + seconds
        with self.lock:
            while True:
                m = re.compile(pattern).search(self.output, start)
                if m:
                    return m.end()
                if not self.reader.is_alive() or time.monotonic() > end:
                    raise AssertionError(f"no /{pattern}/ from {' '.join(self.words)}:\n{self.output[-3000:]}")
                self.lock.wait(0.2)

    def send(self, line):
        self.process.stdin.write((line + "\n").encode())
        self.process.stdin.flush()

    def end(self, seconds=30):
        status = self.process.wait(seconds)
        self.reader.join(5)
        return status


MEMORY = {
    "in-memory": ["--in-memory", "-m", "192"],
    "no-huge": ["--no-huge", "-m", "256"],
    "2M": ["-m", "192"],
    "1G": [],
}


class Testpmd(Program):
    """Interactive testpmd, stopped, with its ports up."""

    def __init__(self, name, memory, vdevs, *, iova=None, folder=None, options="report=on", ops=OPS, args=(),
                 eal=(), lcores="0@0,1@1", netns=None, n_buffers=4096, single_file=False):
        words = ["ip", "netns", "exec", netns] if netns else []
        words += ["dpdk-testpmd", "--lcores", lcores, "--no-pci", "--file-prefix", prefix(name), *MEMORY[memory]]
        words += ["--huge-dir", folder] if folder else []
        words += ["--iova-mode", iova] if iova and memory != "no-huge" else []
        words += ["--single-file-segments"] if single_file else []
        words += ["-d", DRIVER] if ops == OPS else []
        words += ["--mbuf-pool-ops-name", ops, *eal, *(f"--vdev={v}" for v in vdevs)]
        words += ["--", "-i", f"--total-num-mbufs={n_buffers}", "--port-topology=loop", "--no-flush-rx", *args]
        super().__init__(words, {"VMHEAP_DRIVER": options})
        self.at = 0

    def wait_up(self):
        self.at = self.wait_for(r"testpmd> ")
        return self

    def command(self, line):
        """Its output."""
        start = self.at
        self.send(line)
        self.at = self.wait_for(r"testpmd> ", self.at)
        return self.output[start:self.at]

    def forward(self, mode, seconds, meanwhile=None, tx_first=False):
        """{port: (received, sent)} of one stretch of forwarding."""
        self.command(f"set fwd {mode}")
        self.command("start tx_first 1" if tx_first else "start")
        if meanwhile:
            meanwhile()
        time.sleep(seconds)
        text = self.command("stop")
        found = re.findall(r"Forward statistics for port (\d+).*?RX-packets:\s*(\d+).*?TX-packets:\s*(\d+)", text, re.S)
        return {int(p): (int(r), int(t)) for p, r, t in found}

    def quit(self):
        """What each pool had at the end: {name: (buffers, lost, bad puts)}."""
        self.send("quit")
        status = self.end()
        pools = re.findall(r"vmheap: pool (\S+): (\d+) buffers, (\d+) lost .* bad puts (\d+)", self.output)
        assert status == 0, f"exit status {status}:\n{self.output[-3000:]}"
        return {name: (int(n), int(lost), int(bad)) for name, n, lost, bad in pools}
