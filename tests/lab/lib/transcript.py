"""Compares the blocks ```console of a document with what was seen on a terminal, or renews them: transcript.py DOCUMENT SEEN compare|--write

Both are cut at the lines that begin with `$ `, the commands. A block of the document can have several; in their order they are those that were
typed. What no two runs have in common, times and keys, is not compared. A table of more than `LONG` lines is shown in part.
"""

import difflib
import re
import sys

LONG = 24
HEAD, TAIL = 8, 5


def cut(lines):
    """The commands, each with what it printed."""
    parts = []
    for line in lines:
        if line.startswith("$ "):
            parts.append([line])
        elif parts:
            parts[-1].append(line)
    # The shell that waits for the next command.
    if parts and parts[-1] and parts[-1][-1] == "$":
        parts[-1].pop()
    for part in parts:
        while len(part) > 1 and part[-1] in ("", "$"):
            part.pop()
    return parts


def shorten(part):
    """The table that a command printed, without its middle."""
    end = next((n for n, line in enumerate(part[2:], 2) if not re.search(r"\S {2,}\S", line)), len(part))
    if end < LONG or not part[1].isupper():
        return part
    left_out = end - 2 - HEAD - TAIL
    return part[: 2 + HEAD] + [f"… {left_out} more …"] + part[end - TAIL :]


def as_shown(line):
    # The kernel is that of the computer below.
    return re.sub(r"^(Linux \S+) .*", r"\1 …", line)


def settled(part):
    text = "\n".join(part)
    text = re.sub(r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:…", text)
    text = re.sub(r"ssh-ed25519 AAAA[A-Za-z0-9+/=]+", "ssh-ed25519 …", text)
    text = re.sub(r" +(\d+h )?(\d+m )?\d+s$", " <time>", text, flags=re.M)
    text = re.sub(r"last login: .*", "last login: …", text, flags=re.I)
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "<id>", text)
    return [re.sub(r" {2,}", "  ", line).rstrip() for line in text.split("\n")]


def main():
    path, seen, mode = sys.argv[1:]
    with open(seen, encoding="utf-8") as file:
        parts = [[as_shown(line) for line in shorten(part)] for part in cut(file.read().splitlines())]
    with open(path, encoding="utf-8") as file:
        document = file.read()
    blocks = re.split(r"^(```console\n.*?^```$)", document, flags=re.M | re.S)
    written = [cut(block.splitlines()[1:-1]) if block.startswith("```console") else [] for block in blocks]
    commands = [part[0] for block in written for part in block]
    if commands != [part[0] for part in parts]:
        print("other commands were typed than the document has:", file=sys.stderr)
        sys.stderr.writelines(line + "\n" for line in difflib.unified_diff(commands, [part[0] for part in parts], path, "typed", lineterm=""))
        return 1
    if mode == "--write":
        rest = iter(parts)
        for number, block in enumerate(written):
            if block:
                lines = [line for _ in block for line in next(rest)]
                blocks[number] = "```console\n" + "\n".join(lines) + "\n```"
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(blocks))
        return 0
    before = [line for block in written for part in block for line in settled(part)]
    now = [line for part in parts for line in settled(part)]
    sys.stderr.writelines(line + "\n" for line in difflib.unified_diff(before, now, path, "seen", lineterm=""))
    return int(before != now)


if __name__ == "__main__":
    sys.exit(main())
