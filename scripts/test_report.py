#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Read meson's testlog.json: name what failed, explain what was skipped, count test cases.

A CUnit program counts each of its tests; any other program counts as one.
"""
import json
import re
import sys


def load(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return [json.loads(line) for line in f if line.strip()]


def cases(test):
    """(passed, failed, skipped) of one program."""
    out = test.get("stdout") or ""
    passed = len(re.findall(r"\.\.\.\s*passed\b", out)) + len(re.findall(r"^ok \d+", out, re.M))
    failed = len(re.findall(r"\.\.\.\s*FAILED\b", out)) + len(re.findall(r"^not ok \d+", out, re.M))
    skipped = len(re.findall(r"^SKIP: ", out, re.M))
    if test["result"] == "SKIP":
        return passed, 0, max(skipped, 1)
    if test["result"] == "OK":
        return max(passed, 1), 0, skipped
    return passed, max(failed, 1), skipped


def reasons(test):
    return re.findall(r"^SKIP: (.*)", test.get("stdout") or "", re.M)


def total(logs):
    n = [0, 0, 0]
    for test in logs:
        n = [a + b for a, b in zip(n, cases(test))]
    return n


def main():
    if sys.argv[1] == "--phase":
        logs = load(sys.argv[3])
        for test in logs:
            for reason in reasons(test):
                print(f"  skipped in {test['name']}: {reason}")
            if test["result"] not in ("OK", "SKIP"):
                print(f"  FAILED {test['name']} ({test['result']}), the end of what it printed:")
                tail = ((test.get("stdout") or "") + (test.get("stderr") or "")).splitlines()[-40:]
                print("\n".join("    " + line for line in tail))
        passed, failed, skipped = total(logs)
        print(f"  {sys.argv[2]}: {len(logs)} programs; cases: {passed} ok, {failed} not, {skipped} left out")
        return 0
    logs = [test for path in sys.argv[3:] for test in load(path)]
    passed, failed, skipped = total(logs)
    failed += int(sys.argv[2])
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


sys.exit(main())
