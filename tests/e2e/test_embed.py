#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The README's programs build and run against the installed library, through pkg-config alone."""
import glob
import os
import re
import subprocess
import tempfile

from harness import BUILD, SOURCE, main


def install(into):
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], check=True,
                   env={**os.environ, "DESTDIR": into}, stdout=subprocess.DEVNULL)
    pc = glob.glob(f"{into}/**/libvmheap.pc", recursive=True)
    assert len(pc) == 1, f"libvmheap.pc installed once, found {pc}"
    return {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(pc[0]), "PKG_CONFIG_SYSROOT_DIR": into}


def blocks(marker):
    """Code blocks of the README that follow a <!-- marker --> line."""
    with open(f"{SOURCE}/README.md", encoding="utf-8") as f:
        return re.findall(r"<!-- " + marker + r" -->\n```c\n(.*?)```", f.read(), re.S)


def test_readme_program():
    """An engineer copies the embedding example: it compiles without a warning and says what it should."""
    programs = blocks("embed")
    assert programs, "the README has an embedding example"
    with tempfile.TemporaryDirectory(prefix="vmheap-embed-") as work:
        env = install(f"{work}/root")
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libvmheap"], env=env, check=True,
                               capture_output=True, text=True).stdout.split()
        libdir = os.path.dirname(glob.glob(f"{work}/root/**/libvmheap.so", recursive=True)[0])
        for number, source in enumerate(programs):
            assert len(source.strip().splitlines()) <= 25, "about twenty lines"
            path = f"{work}/embed{number}"
            with open(f"{path}.c", "w", encoding="utf-8") as f:
                f.write(source)
            subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", f"{path}.c", "-o", path,
                            *flags, f"-Wl,-rpath,{libdir}"], env=env, check=True)
            out = subprocess.run([path], check=True, capture_output=True, text=True).stdout
            assert "objects" in out and "used" in out, out
            print(out)


def test_readme_quotes_the_sample():
    """What the plugin chapter quotes stands in the sample, to the letter."""
    with open(f"{SOURCE}/src/plugins/sample/sample.c", encoding="utf-8") as f:
        sample = f.read()
    quotes = blocks("sample")
    assert len(quotes) >= 4
    for quote in quotes:
        assert quote in sample, quote


main()
