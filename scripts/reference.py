#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""reference.py: every public name of vppinfra, from the public headers' own words.

    reference.py            print the reference
    reference.py -o FILE    write it
    reference.py --check FILE
                            fail, with a list, when FILE is not what would be written, or when a
                            public name has no words

Public headers are those that src/vppinfra/meson.build names: they are installed.  Public names are
functions and variables marked CLIB_EXPORT, inline functions, and macros, but for those that begin
with an underscore.  The words of a name are the comment right above it, or above the first of the
lines it stands among without a blank line between, or behind it on its line.
"""
import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = ROOT / "src"

PREFACE = """# Reference

Every public name of vppinfra by header, as the headers explain it.  Made from them by
`make docs`; do not edit.  What is VPP's and what differs: [vppinfra.md](vppinfra.md).
"""


def public_headers():
    folder = INCLUDE / "vppinfra"
    named = re.findall(r"'([\w/]+\.h)'", (folder / "meson.build").read_text())
    return sorted(folder / name for name in set(named))


class Group:
    """A comment and the declarations it is about."""

    def __init__(self, comment):
        self.comment = comment
        self.lines = []  # of code, as shown
        self.names = []


class Header:
    def __init__(self, path):
        self.path = path
        self.title = str(path.relative_to(INCLUDE))
        self.overview = ""
        self.parts = []  # str: a section's name; Group
        self.bare = []  # names without words
        self.documented = set()
        parse(self, path.read_text().split("\n"))
        # One definition with words is enough where #if has two.
        self.bare = [n for n in self.bare if n not in self.documented]

    def groups(self):
        return [p for p in self.parts if isinstance(p, Group)]

    def names(self):
        return sorted({n for g in self.groups() for n in g.names})


def take_comment(lines, i):
    """The comment that starts on line i, and the number of the line behind it."""
    start = i
    while "*/" not in lines[i]:
        i += 1
    return lines[start:i + 1], i + 1


def take_macro(lines, i):
    start = i
    while lines[i].endswith("\\"):
        i += 1
    return lines[start:i + 1], i + 1


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def take_code(lines, i):
    """A declaration or a definition, to its closing semicolon or brace."""
    start = i
    depth = 0
    in_macro = False
    while True:
        line = lines[i]
        is_directive = in_macro or line.startswith("#")
        in_macro = is_directive and line.endswith("\\")
        if not is_directive:
            code = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'', "0", line)
            code = without_comments("\n".join([code]))
            depth += code.count("{") + code.count("(") - code.count("}") - code.count(")")
            if depth == 0 and re.search(r"[;}]\s*$", code):
                return lines[start:i + 1], i + 1
        i += 1
        if i == len(lines):
            return lines[start:i], i


def comment_text(comment):
    """The lines of a comment without its marks."""
    text = []
    for line in comment:
        line = re.sub(r"^\s*/\*\*? ?", "", line)
        line = re.sub(r"^\s*\* ?", "", line) if line is not comment[0] else line
        text.append(re.sub(r"\s*\*/\s*$", "", line).rstrip())
    while text and not text[0]:
        text.pop(0)
    while text and not text[-1]:
        text.pop()
    return text


def macro_shown(lines):
    """A macro without its body, unless that is a constant; its name; words behind it."""
    text = " ".join(re.sub(r"\\$", "", line).strip() for line in lines)
    text = re.sub(r"^#\s*define", "#define", text)
    words = bool(re.search(r"/\*.*\*/", text))
    name = re.match(r"#define (\w+)(\([^)]*\))?", text)
    if name.group(2) is not None:
        shown = re.sub(r"\s+", " ", name.group(0))
        trailing = re.search(r"/\*.*\*/\s*$", text)
        return shown + (" " + trailing.group(0) if trailing else ""), name.group(1), words
    shown = re.sub(r"\s+", " ", text)
    return (shown if len(shown) < 96 else name.group(0)), name.group(1), words


def declared_name(code):
    code = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ", without_comments(code), flags=re.S)
    code = re.sub(r"\s+", " ", code)
    call = re.search(r"(\w+) ?\(", code)
    if call:
        return call.group(1)
    found = re.search(r"(\w+)(\[[^]]*\])? ?;", code)
    return found.group(1) if found else ""


def classify(code):
    """What is shown of a piece of code and the public name it gives, if any."""
    text = "\n".join(code)
    start = text.lstrip()
    if start.startswith("CLIB_EXPORT"):
        return [re.sub(r"^CLIB_EXPORT(_EXTERN)? ", "", line) for line in code], declared_name(text)
    if re.match(r"(static )?(always_)?inline\b|static_always_inline\b|static inline\b", start):
        head = text[:text.index("{")].rstrip() if "{" in text else text.rstrip(" ;")
        head = re.sub(r"\s*\n\s*", " ", re.sub(r"^(always_inline|static_always_inline|"
                                               r"static inline)", "static inline", head))
        return wrap(head + ";"), declared_name(head)
    if re.match(r"typedef\b|struct \w+ \{|enum\b|union \w+ \{", start):
        return code, None
    return None, None


def wrap(code):
    """A long declaration on lines of at most 96 columns."""
    lines = []
    while len(code) > 96 and ", " in code[:96]:
        at = code.rindex(", ", 0, 96) + 1
        lines.append(code[:at])
        code = "    " + code[at:].lstrip()
    return lines + [code]


def is_public(name):
    return bool(name) and not name.startswith("_")


def parse(header, lines):
    group = None
    i = 0
    while i < len(lines):
        line = lines[i].strip()
        if not line:
            group = None
            i += 1
        elif line.startswith("/*"):
            comment, i = take_comment(lines, i)
            text = comment_text(comment)
            section = re.match(r"---- (.*?)\s*----$", " ".join(text))
            if "SPDX-License-Identifier" in text[0]:
                continue
            if section:
                header.parts.append(section.group(1))
                group = None
            elif not header.overview and not header.parts:
                header.overview = "\n".join(text)
            else:
                group = Group(comment)
                header.parts.append(group)
        elif line.startswith("#"):
            macro, i = take_macro(lines, i)
            if re.match(r"#\s*define \w", line):
                group = add(header, group, *macro_shown(macro), is_macro=True)
        else:
            code, i = take_code(lines, i)
            shown, name = classify(code)
            if shown:
                words = name is not None and "/*" in "\n".join(shown)
                group = add(header, group, shown, name, words)
    header.parts = [p for p in header.parts if isinstance(p, str) or p.lines]


def add(header, group, shown, name, words, is_macro=False):
    """Show a declaration in its group, a new one without words if there is none."""
    if is_macro and (not is_public(name) or name.startswith("included_")):
        return group
    if name is not None and not is_public(name):
        return group
    if group is None:
        group = Group(None)
        header.parts.append(group)
    group.lines += [shown] if isinstance(shown, str) else shown
    if name is None:
        return group
    group.names.append(name)
    if group.comment or words:
        header.documented.add(name)
    else:
        header.bare.append(name)
    return group


def anchor(title):
    return re.sub(r"[^a-z0-9_ -]", "", title.lower()).replace(" ", "-")


def render(headers):
    out = [PREFACE]
    for h in headers:
        summary = re.sub(r"^\w+: ", "", h.overview.split("\n\n")[0].replace("\n", " "))
        out.append(f"- [{h.title}](#{anchor(h.title)}): {summary.split('. ')[0].rstrip('.:')}")
    out.append("")
    for h in headers:
        out += [f"## {h.title}", "", "```text", h.overview, "```", ""]
        for p in h.parts:
            if isinstance(p, str):
                out += [f"### {p}", ""]
                continue
            out += ["```c"] + (p.comment or []) + p.lines + ["```", ""]
    out += ["## Index", ""]
    where = {}
    for h in headers:
        for n in h.names():
            where.setdefault(n, h)
    for n in sorted(where, key=str.lower):
        out.append(f"- `{n}` [{where[n].title}](#{anchor(where[n].title)})")
    text = "\n".join(out) + "\n"
    return text.replace("\t", "    ")


def main():
    args = argparse.ArgumentParser(description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("-o", metavar="FILE")
    args.add_argument("--check", metavar="FILE")
    args = args.parse_args()
    headers = [Header(h) for h in public_headers()]
    text = render(headers)
    bare = [(h.title, n) for h in headers for n in h.bare]
    n_names = sum(len(h.names()) for h in headers)
    if args.o:
        pathlib.Path(args.o).write_text(text)
    elif not args.check:
        print(text, end="")
        return 0
    for title, name in bare:
        print(f"no words: {name} in <{title}>")
    print(f"{n_names} names in {len(headers)} headers, {len(bare)} without words")
    if not args.check:
        return 0
    path = pathlib.Path(args.check)
    is_stale = not path.exists() or path.read_text() != text
    if is_stale:
        print(f"{args.check} is not what the headers say: make docs")
    return 1 if bare or is_stale else 0


if __name__ == "__main__":
    sys.exit(main())
