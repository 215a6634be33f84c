# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: the real daemon and the real client in a folder of their own.

A test file is a program: functions named test_* are its cases, their docstrings say situation and
promise.  Exit 0 all held, 1 a failure, 77 nothing could be tried here.
"""
import inspect
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = os.path.abspath(os.environ.get("VMHEAP_BUILD", "build"))
SOURCE = os.path.abspath(os.environ.get("VMHEAP_SOURCE", "."))
DAEMON = f"{BUILD}/src/cli/vmheap"
CLIENT = f"{BUILD}/src/cli/vmheapctl"
PLUGINS = f"{BUILD}/src/plugins"


class Skip(Exception):
    """Raised with the reason and what would help."""


def huge_pages_free():
    try:
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", encoding="ascii") as f:
            return int(f.read())
    except OSError:
        return 0


def need_huge_pages(n):
    free = huge_pages_free()
    if free < n:
        raise Skip(f"needs {n} free 2 MiB pages, {free} are: sysctl vm.nr_hugepages=512")


CONFIG = """
unix {{ cli-listen {work}/cli.sock pidfile {work}/vmheap.pid }}
cpu {{ main-core 0 workers 1 }}
memory {{ main-heap-size 128M numa-heap-size 128M }}
plugins {{ path {plugins} {plugin_words} }}
buffers {{ buffers-per-numa 4096 }}
dpdk {{ no-pci {dpdk_words} }}
{extra}
"""


class Daemon:
    """vmheap with two net_null ports, connected, unless told otherwise."""

    def __init__(self, *, huge=False, vdevs=("net_null0", "net_null1"), extra=None, plugin_words="",
                 plugins=PLUGINS, config=None, prefix=(), work=None, env=None):
        self.own_work = work is None
        self.work = work or tempfile.mkdtemp(prefix="vmheap-e2e-")
        self.socket = f"{self.work}/cli.sock"
        self.log_path = f"{self.work}/daemon.log"
        words = ("" if huge else "no-huge ") + " ".join(f"vdev {v}" for v in vdevs)
        if extra is None:
            extra = "xconnect { " + " ".join(v.split(",")[0] for v in vdevs) + " }" if vdevs else ""
        self.config_path = f"{self.work}/startup.conf"
        if config is None:
            config = CONFIG.format(work=self.work, plugins=plugins, plugin_words=plugin_words,
                                   dpdk_words=words, extra=extra)
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(config)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([*prefix, DAEMON, "-c", self.config_path], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT, env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.own_work:
            shutil.rmtree(self.work, ignore_errors=True)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_up(self, seconds=30):
        """Until it answers; raises with its log when it ends or hangs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"daemon ended with {self.process.returncode}:\n{self.log()}")
            if self.ctl("show version").returncode == 0:
                return self
            time.sleep(0.05)
        raise AssertionError(f"daemon does not answer:\n{self.log()}")

    def wait_end(self, seconds=30):
        return self.process.wait(seconds)

    def ctl(self, command, *options, stdin=None):
        words = command.split() if isinstance(command, str) else list(command)
        return subprocess.run([CLIENT, "-s", self.socket, *options, *words], capture_output=True, check=False,
                              timeout=30, stdin=subprocess.DEVNULL if stdin is None else None, input=stdin)

    def text(self, command):
        p = self.ctl(command)
        assert p.returncode == 0, f"{command}: exit {p.returncode}: {p.stdout.decode()}{p.stderr.decode()}"
        return p.stdout.decode()

    def json(self, command):
        p = self.ctl(command, "-j")
        assert p.returncode == 0, f"{command}: exit {p.returncode}: {p.stdout.decode()}{p.stderr.decode()}"
        return json.loads(p.stdout)

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(20)
        s.connect(self.socket)
        return s

    def stop(self, signal_number=signal.SIGTERM):
        """A clean stop: exit status 0 and nothing leaked, as the daemon itself counts."""
        self.process.send_signal(signal_number)
        status = self.process.wait(30)
        log = self.log()
        assert status == 0, f"exit status {status}:\n{log}"
        assert re.search(r"\b0 buffers leaked", log), f"buffers not accounted for:\n{log}"
        assert not os.path.exists(self.socket), "the socket is still there"
        return log


def main():
    """Runs the test_* functions of the calling module."""
    module = inspect.getmodule(inspect.stack()[1][0])
    names = sys.argv[1:] or [n for n in vars(module) if n.startswith("test_")]
    n_failed = n_skipped = 0
    for number, name in enumerate(names, 1):
        try:
            getattr(module, name)()
            print(f"ok {number} {name}", flush=True)
        except Skip as skip:
            n_skipped += 1
            print(f"SKIP: {name}: {skip}", flush=True)
        except Exception:  # pylint: disable=broad-except
            n_failed += 1
            traceback.print_exc(file=sys.stdout)
            print(f"not ok {number} {name}", flush=True)
    if n_failed:
        sys.exit(1)
    sys.exit(77 if n_skipped == len(names) else 0)
