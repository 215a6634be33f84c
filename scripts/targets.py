#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""targets.py BUILD SUITE...: what ninja has to build for the tests of these suites, one a line."""
import json
import os
import subprocess
import sys


def introspect(build, what):
    return json.loads(subprocess.check_output(["meson", "introspect", f"--{what}", build]))


def main():
    build, suites = sys.argv[1], set(sys.argv[2:])
    files = {t["id"]: t["filename"] for t in introspect(build, "targets")}
    wanted = set()
    for test in introspect(build, "tests"):
        if suites & {s.split(":")[-1] for s in test["suite"]}:
            wanted.update(name for dep in test["depends"] for name in files[dep])
    root = os.path.abspath(build)
    print("\n".join(sorted(os.path.relpath(name, root) for name in wanted)))


if __name__ == "__main__":
    main()
