#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real client on the real daemon: every command, exit codes, and clients that misbehave."""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time

from harness import CLIENT, SOURCE, Daemon, main

COMMANDS = """show version; show version verbose; show plugins; show interface; show lcores; show runtime
show memory; show memory main-heap; show memory numa-heaps; show memory map; show memory verbose
show memory main-heap verbose; show vmem; show vmem verbose; show hugepages; show buffers; show buffers detail
show physmem; show physmem verbose; show physmem detail map; show errors; clear runtime; clear errors; clear interface; help; ?; show ?; help show memory
 show vmem numa-0; show vmem vmem_hash verbose; show xconnect; show cli; show event-logger; show event-logger all; show segments
 show zones; show zones named; show buddyinfo; show memory address 0x1000
show kmem; show kmem verbose; show percpu; kmem shrink; kmem debug nosuch off"""
COMMANDS = [c.strip() for c in re.split(r"[;\n]", COMMANDS) if c.strip()]


def test_every_command_in_text_and_json():
    """Each command answers; its JSON parses; what it shows is not empty."""
    with Daemon() as d:
        d.wait_up()
        for command in COMMANDS:
            text = d.text(command)
            assert text.strip() or command.startswith("clear"), command
            p = d.ctl(command, "-j")
            assert p.returncode == 0, f"{command}: {p.stdout}{p.stderr}"
            json.loads(p.stdout)
        d.stop()


def test_the_documented_commands_exist():
    """docs/cli.md and the daemon list the same commands."""
    with open(f"{SOURCE}/docs/cli.md", encoding="utf-8") as f:
        headings = re.findall(r"^### `(.+?)`$", f.read(), re.M)
    with Daemon() as d:
        d.wait_up()
        offered = {c["syntax"] for c in d.json("show cli")["commands"]}
        assert set(headings) == offered, set(headings) ^ offered
        d.stop()


def test_abbreviations():
    """Unique prefixes of words are enough."""
    with Daemon() as d:
        d.wait_up()
        assert d.text("sh ver") == d.text("show version")
        assert "default-numa-0" in d.text("sh buf")
        d.stop()


def test_top_counts_and_refuses():
    """Away from a terminal top answers as often as it is told, once by default; wrong words fail as they do in show."""
    with Daemon() as d:
        d.wait_up()
        one = d.text("show percpu")
        assert d.text("top percpu") == one
        assert d.text("top -n 3 -d 0.05 percpu").count("unit_bytes") == 3 * one.count("unit_bytes")
        assert d.text("top") == d.text("show kmem")
        for command in ("top -n x", "top -d 0 kmem", "top nosuch"):
            assert d.ctl(command).returncode == 1, command
        d.stop()


def test_top_on_a_terminal():
    """Redrawn each time on the alternate screen, cut to its size; q ends it and puts the terminal right."""
    with Daemon() as d:
        d.wait_up()
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(CLIENT, [CLIENT, "-s", d.socket, "top", "-d", "0.1", "vmem"])
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 40, 0, 0))
        seen = b""
        end = time.monotonic() + 20
        while seen.count(b"\033[H") < 4 and time.monotonic() < end:
            seen += os.read(fd, 65536)
        assert seen.startswith(b"\033[?1049h"), seen[:80]
        last = seen.split(b"\033[H")[-2]
        lines = last.split(b"\r\n")
        assert len(lines) <= 8 and all(len(line.replace(b"\033[K", b"")) <= 40 for line in lines), last
        os.write(fd, b"q")
        try:
            while more := os.read(fd, 65536):
                seen += more
        except OSError:  # the other end is closed
            pass
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert seen.endswith(b"\033[?1049l"), seen[-80:]
        os.close(fd)
        d.stop()


def test_errors_point_at_the_word():
    """A caret under the bad word, what was expected, and exit code 1."""
    with Daemon() as d:
        d.wait_up()
        for command, word in (("show memroy", "memroy"), ("show memory map verbos3", "verbos3"), ("frobnicate", "frobnicate"),
                              ("show vmem nosuch", "nosuch")):
            p = d.ctl(command)
            assert p.returncode == 1, command
            said = (p.stdout + p.stderr).decode()
            lines = said.splitlines()
            at = next(i for i, line in enumerate(lines) if word in line and i + 1 < len(lines) and "^" in lines[i + 1])
            assert lines[at + 1].index("^") == lines[at].index(word), said
            assert "expected" in said or "no arena" in said, said
        d.stop()


def test_exit_codes_and_scripts():
    """0 fine, 1 a command failed, 2 no daemon or bad usage; a script file runs line by line."""
    with Daemon() as d:
        d.wait_up()
        script = f"{d.work}/script"
        with open(script, "w", encoding="ascii") as f:
            f.write("# a comment\nshow version\n\nshow buffers\n")
        p = subprocess.run([CLIENT, "-s", d.socket, "-f", script], capture_output=True, check=False)
        assert p.returncode == 0 and b"default-numa-0" in p.stdout, p
        p = d.ctl([], stdin=b"show version\nshow nonsense\n")
        assert p.returncode == 1, p
        assert subprocess.run([CLIENT, "-s", f"{d.work}/none", "show", "version"], capture_output=True,
                              check=False).returncode == 2
        assert subprocess.run([CLIENT, "--nonsense"], capture_output=True, check=False).returncode == 2
        d.stop()


def test_clients_that_misbehave():
    """NULs, a line of 1 MB, half a request, a hang-up in the middle of output: the daemon goes on."""
    with Daemon() as d:
        d.wait_up()
        for garbage in (b"\0" * 4096, b"show \0 memory\n", b"x" * (1 << 20) + b"\n", b"\xff\xfe\x00\x01" * 1000, b"sho"):
            s = d.connect()
            try:
                s.sendall(garbage)
            except OSError:
                pass  # refused half way: its right
            s.close()
            assert d.ctl("show version").returncode == 0, garbage[:20]
        for _ in range(20):
            p = subprocess.Popen([CLIENT, "-s", d.socket, "show", "memory", "verbose"], stdout=subprocess.PIPE)
            p.stdout.read(1)
            p.kill()
            p.wait()
            p.stdout.close()
        assert d.ctl("show version").returncode == 0
        long_line = d.ctl(["show"] + ["memory"] * 20000)
        assert long_line.returncode == 1, long_line.returncode
        d.stop()


def test_ten_clients_at_once():
    """Ten clients, fifty commands each, whole answers all."""
    with Daemon() as d:
        d.wait_up()
        wrong = []

        def client(number):
            for i in range(50):
                p = d.ctl(COMMANDS[(number * 7 + i) % len(COMMANDS)], "-j")
                try:
                    assert p.returncode == 0
                    json.loads(p.stdout)
                except (AssertionError, ValueError):
                    wrong.append((number, i, p))

        threads = [threading.Thread(target=client, args=(n,)) for n in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not wrong, wrong[:3]
        d.stop()


def test_the_counters_move_and_clear():
    """show runtime and show interface follow the traffic; clear starts them again."""
    with Daemon() as d:
        d.wait_up()


        def received():
            return sum(i["rx_packets"] for i in d.json("show interface")["interfaces"])

        first = second = received()
        end = time.monotonic() + 20  # the worker may have to wait for its CPU on a busy machine
        while second < first + 1000000 and time.monotonic() < end:
            second = received()
        assert second >= first + 1000000, (first, second)
        d.text("clear interface")
        assert received() < second
        assert "ethdev-rx" in d.text("show runtime")
        d.stop()


def test_the_event_logger():
    """The log tells of the start in order; it clears, stops, restarts, resizes, and is saved."""
    name = f"vmheap-test-{os.getpid()}"
    with Daemon() as d:
        d.wait_up()
        events = d.json("show event-logger all")["events"]
        said = [f"{e['track']}: {e['event']}" for e in events]
        order = ["daemon: event log up", "plugins: buffer loaded", "daemon: plugins up", "daemon: EAL up",
                 "functions: buffer_init done", "daemon: workers up"]
        at = [next(i for i, line in enumerate(said) if line.startswith(wanted)) for wanted in order]
        assert at == sorted(at), said
        assert any(line.startswith("memory: committed 0 -> ") for line in said), said
        times = [e["seconds"] for e in events]
        assert times == sorted(times)
        assert "running" in d.text("show event-logger 1")
        assert len(d.json("show event-logger 3")["events"]) == 3

        d.text("event-logger stop")
        shown = d.json("show event-logger")
        assert not shown["running"]
        d.text("show version")
        assert d.json("show event-logger")["total_events"] == shown["total_events"]
        d.text("event-logger resize 33")
        resized = d.json("show event-logger")
        assert resized["capacity"] == 64 and not resized["running"], resized
        d.text("event-logger restart")
        d.text("show version")
        assert "`show version' done" in d.text("show event-logger")
        try:
            assert f"/tmp/{name}" in d.text(f"event-logger save {name}")
            with open(f"/tmp/{name}", "rb") as f:
                saved = f.read()
            assert saved.startswith(b"vmhelog1") and b"show version" in saved
        finally:
            os.unlink(f"/tmp/{name}")
        os.symlink("/dev/null", f"/tmp/{name}")
        try:
            assert d.ctl(f"event-logger save {name}").returncode == 1
        finally:
            os.unlink(f"/tmp/{name}")
        d.text("event-logger clear")
        assert d.json("show event-logger")["events_in_buffer"] < 10
        for bad in ("event-logger save a/b", "event-logger save ..", "event-logger resize 1", "event-logger resize",
                    "event-logger save", "show event-logger x", "event-logger resize 99999999"):
            assert d.ctl(bad).returncode == 1, bad
        d.stop()


def test_interactive():
    """Typed at a terminal-less prompt: commands from standard input, quit ends it with 0."""
    with Daemon() as d:
        d.wait_up()
        p = d.ctl([], stdin=b"show version\nquit\nshow memory\n")
        assert p.returncode == 0, p
        assert b"vmheap" in p.stdout and b"main heap" not in p.stdout, p.stdout
        d.stop()
        assert not os.path.exists(d.socket)


main()
