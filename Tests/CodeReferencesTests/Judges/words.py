#!/usr/bin/env python3
"""Makes vectors for WordJudgeTests from what llvm-objdump and relocations say of real code.

  words.py targets [--from OFFSET] [--bytes COUNT] FILE...   > vectors.json
  words.py pairs [--bytes COUNT] [--most NUMBER] OBJECT...   > vectors.json

`targets`: of each executable section (or of COUNT bytes from OFFSET in each section that has as
many) every branch and page instruction with the address that llvm-objdump prints for it.
`pairs`: of each section of object files that has relocations every half of an address pair, with a
number that halves of one address share; of sections of COUNT bytes and more those
NUMBER with the most pairs. The disassembler is $OBJDUMP, or llvm-objdump (19 or
later, for LoongArch64).

The vectors in the tree come from code that may be copied: cryptography 50.0.2 (AArch64, from PyPI),
libc++ as `python3 -m ziglang c++ -target ... -O2 -shared` (0.17.1) links it, and musl's time/__tz.c and
stdio/vfprintf.c (AArch64 pairs).
"""
import argparse
import json
import os
import re
import struct
import subprocess
import sys

ARM, RISC, LOONG = 183, 243, 258
LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
ADDRESS = re.compile(r"(?:^|,\s*)(0x[0-9a-f]+)(?: <[^>]*>)?$")
DISTANCE = re.compile(r"(?:^|,\s*)(-?\d+)(?: <[^>]*>)?$")
BRANCHES = {
    RISC: re.compile(r"^(j|jal|b(eq|ne|lt|ge|gt|le)u?z?)$"),
    LOONG: re.compile(r"^(b|bl|b(eq|ne|lt|ge|ltu|geu)|b(c?eqz|c?nez)|pcaddi)$"),
}
# The relocation types of the halves of pairs: page halves and low halves.
PAGES = {
    ARM: {275, 276, 311, 541, 562},
    RISC: {18, 19, 20, 21, 22, 23},
    LOONG: {71, 75, 87, 95, 97, 110},
}
LOWS = {
    ARM: {277, 278, 284, 285, 286, 299, 312, 542, 563, 564},
    RISC: {24, 25},
    LOONG: {72, 76, 88},
}
CALLS = {RISC: {18, 19}, LOONG: {110}, ARM: set()}


def sections(data):
    start, = struct.unpack_from("<Q", data, 40)
    count, = struct.unpack_from("<H", data, 60)
    return [struct.unpack_from("<IIQQQQIIQQ", data, start + 64 * n) for n in range(count)]


def target(machine, place, name, operands):
    """The address that an instruction names, or None. Pages are where the page begins."""
    if machine == ARM:
        found = ADDRESS.search(operands)
        return int(found[1], 16) if found and name[0] not in ".<" else None
    last = operands.rsplit(",", 1)[-1].strip()
    if machine == RISC:
        if name == "auipc":
            return wrap(place + signed(int(last, 0), 20) * 4096)
        found = ADDRESS.search(operands) if BRANCHES[RISC].match(name) else None
        return int(found[1], 16) if found else None
    if name == "pcalau12i":
        return wrap((place & ~4095) + int(last) * 4096)
    if name in ("pcaddu12i", "pcaddu18i"):
        return wrap(place + (int(last) << int(name[6:8])))
    found = DISTANCE.search(operands) if BRANCHES[LOONG].match(name) else None
    return wrap(place + int(found[1]) * (4 if name == "pcaddi" else 1)) if found else None


def wrap(number):
    return number & (1 << 64) - 1


def signed(number, bits):
    return number - (1 << bits) if number >> (bits - 1) & 1 else number


def targets(path, start, count):
    with open(path, "rb") as file:
        data = file.read()
    machine, = struct.unpack_from("<H", data, 18)
    named = {}
    borders = []
    tool = os.environ.get("OBJDUMP", "llvm-objdump")
    # -z: runs of zeros are code like any other.
    command = [tool, "-d", "-z", "--no-show-raw-insn", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as run:
        for line in run.stdout:
            if match := LINE.match(line):
                place = int(match[1], 16)
                borders.append(place)
                address = target(machine, place, match[2], match[3].strip())
                if address is not None:
                    named[place] = address
    for _, kind, flags, address, offset, size, *_ in sections(data):
        if kind != 1 or not flags & 4 or (count and size < start + count):
            continue
        low, high = address + start, address + (start + count if count else size)
        inside = [place for place in borders if low <= place < high] if count else []
        low, high = (inside[0], inside[-1]) if count else (low, high)
        first = offset + low - address
        yield {
            "machine": machine, "address": low, "code": data[first:first + high - low].hex(),
            "targets": [[place - low, named[place]] for place in sorted(named)
                        if low <= place < high],
        }


def pairs(path, count):
    with open(path, "rb") as file:
        data = file.read()
    machine, = struct.unpack_from("<H", data, 18)
    table = sections(data)
    for _, kind, _, _, at, size, link, info, _, _ in table:
        if kind != 4 or not table[info][2] & 4:
            continue
        symbols, keys, pages, lows = table[link][4], {}, [], []
        for entry in range(at, at + size, 24):
            place, what, addend = struct.unpack_from("<QQq", data, entry)
            kind, symbol = what & 0xffffffff, what >> 32
            value, = struct.unpack_from("<Q", data, symbols + 24 * symbol + 8)
            name = (symbol, addend)
            if machine == RISC:
                # The low half names the place of its page instruction.
                name = value if kind in LOWS[RISC] else place
            if kind in PAGES[machine]:
                pages.append([place, keys.setdefault(name, len(keys))])
                if kind in CALLS[machine]:
                    lows.append([place + 4, keys[name]])
            elif kind in LOWS[machine]:
                lows.append([place, keys.setdefault(name, len(keys))])
        _, _, _, _, offset, size, *_ = table[info]
        if pages and size >= count:
            yield {"machine": machine, "address": 0, "code": data[offset:offset + size].hex(),
                   "pages": pages, "lows": lows}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["targets", "pairs"])
    parser.add_argument("--from", dest="start", type=int, default=0)
    parser.add_argument("--bytes", dest="count", type=int, default=0)
    parser.add_argument("--most", type=int)
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    vectors = []
    for path in options.files:
        if options.what == "targets":
            vectors += targets(path, options.start, options.count)
        else:
            found = sorted(pairs(path, options.count), key=lambda vector: -len(vector["lows"]))
            vectors += found[:options.most]
    print("[" + ",\n".join(json.dumps(vector) for vector in vectors) + "]")


if __name__ == "__main__":
    sys.exit(main())
