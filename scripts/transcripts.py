#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write what the daemon really prints into the documents.

  transcripts.py BUILD FILE.md...

A line `<!-- vmheapctl COMMAND -->` is followed by a code block; its contents are replaced by the
command and its output from a daemon with two connected net_null ports that have moved packets.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

MARKED = re.compile(r"(<!-- vmheapctl (.+?) -->\n```\n).*?(```)", re.S)


def main():
    build, files = os.path.abspath(sys.argv[1]), sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="vmheap-doc-") as work:
        socket, config = f"{work}/cli.sock", f"{work}/startup.conf"
        with open(config, "w", encoding="utf-8") as f:
            f.write(
                f"unix {{ cli-listen {socket} }}\ncpu {{ main-core 0 workers 1 }}\n"
                f"plugins {{ path {build}/src/plugins }}\n"
                "memory { main-heap-size 256M numa-heap-size 256M }\n"
                "dpdk { no-pci vdev net_null0 vdev net_null1 }\nxconnect { net_null0 net_null1 }\n"
            )
        daemon = subprocess.Popen([f"{build}/src/cli/vmheap", "-c", config], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        try:
            ctl = [f"{build}/src/cli/vmheapctl", "-s", socket]
            while subprocess.run(ctl + ["show", "version"], capture_output=True, check=False).returncode:
                if daemon.poll() is not None:
                    sys.exit("transcripts: the daemon did not start")
                time.sleep(0.1)
            time.sleep(1)

            def transcript(match):
                p = subprocess.run(ctl + match[2].split(), capture_output=True, text=True, check=False)
                text = (p.stdout + p.stderr).replace(f"{build}/", "")
                text = re.sub(r" +$", "", text, flags=re.M).rstrip("\n")
                return f"{match[1]}vmheap# {match[2]}\n{text}\n{match[3]}"

            for path in files:
                with open(path, encoding="utf-8") as f:
                    old = f.read()
                with open(path, "w", encoding="utf-8") as f:
                    f.write(MARKED.sub(transcript, old))
        finally:
            daemon.terminate()
            daemon.wait(20)


main()
