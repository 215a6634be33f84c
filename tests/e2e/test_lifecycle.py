#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Start, stop, kill: nothing leaks and nothing stale stops the next start."""
import os
import shutil
import signal
import tempfile
import time

from harness import CONFIG, PLUGINS, Daemon, main


def test_sigterm_and_sigint_stop_cleanly():
    """Either signal, with traffic running: every buffer, heap object and arena span comes back."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with Daemon() as d:
            d.wait_up()
            time.sleep(0.3)
            log = d.stop(number)
            assert "0 heap objects" in log and "0 arena spans" in log, log
            assert not os.path.exists(f"{d.work}/vmheap.pid"), "the pidfile is still there"


def test_a_second_signal_is_no_harm():
    """An impatient operator sends SIGTERM three times."""
    with Daemon() as d:
        d.wait_up()
        d.process.send_signal(signal.SIGTERM)
        d.process.send_signal(signal.SIGTERM)
        d.stop(signal.SIGTERM)


def test_restart_after_kill():
    """kill -9 leaves socket and pidfile; the next start replaces them."""
    work = tempfile.mkdtemp(prefix="vmheap-e2e-")
    try:
        with Daemon(work=work) as d:
            d.wait_up()
            d.process.kill()
            d.process.wait()
            assert os.path.exists(d.socket)
        with Daemon(work=work) as d:
            d.wait_up()
            d.stop()
    finally:
        shutil.rmtree(work, ignore_errors=True)


def test_a_live_socket_is_not_stolen():
    """A second daemon on the same socket is refused with a clear line; the first goes on."""
    with Daemon() as first:
        first.wait_up()
        with Daemon(work=first.work) as second:
            assert second.wait_end() == 1
            assert "running already" in second.log(), second.log()
        config = CONFIG.format(work=first.work, plugins=PLUGINS, plugin_words="", dpdk_words="no-huge", extra="")
        with Daemon(work=first.work, config=config.replace(f"pidfile {first.work}/vmheap.pid", "")) as third:
            assert third.wait_end() == 1
            assert "cli.sock" in third.log(), third.log()
        assert first.ctl("show version").returncode == 0


def test_starts_in_a_row():
    """No start leaves anything that the next trips over."""
    for _ in range(5):
        with Daemon(vdevs=()) as d:
            d.wait_up()
            d.stop()


main()
