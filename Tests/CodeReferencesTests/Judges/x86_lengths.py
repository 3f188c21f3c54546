#!/usr/bin/env python3
"""Says where GNU objdump sees x86-64 instructions.

usage: x86_lengths.py FILE OUTPUT [BYTES]

Disassembles each executable section of an ELF file, or its first BYTES bytes, from its first byte on,
without regard of symbols. Writes to OUTPUT, all numbers little-endian:

    per section   u64 file offset, u64 address, u64 number of bytes, u64 number of records
    per record    u32 offset in the section, u8 length, u8 flags, u16 0, u64 address meant

Flags: 1 objdump says that it is no instruction, 2 there is an address: of `(%rip)`, or of a branch.
`-M intel64`: with prefix 66, a near branch keeps its four bytes, as on Intel's processors.
"""
import re
import struct
import subprocess
import sys
import tempfile

# A line is `   addr:\tinstruction [operands] [# 0xaddress [<symbol>]]`.
LINE = re.compile(r"^ *([0-9a-f]+):\t(.*)$", re.MULTILINE)
MEANT = re.compile(r"# 0x([0-9a-f]+)")
BRANCH = re.compile(
    r"(?:^|[ ])(?:j[a-z]+|callw?|call[lq]|loop[a-z]*|xbegin)(?:,p[nt])? +(0x[0-9a-f]+)$")
BAD = re.compile(r"\(bad\)|^\.byte|^(?:rex[.A-Z]*|data16|addr32|lock|repn?z|[c-gs]s|bnd|xacquire|xrelease|\s)+$")


def executable_sections(data):
    """Offset, address and size of each section of instructions."""
    if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", data, 18)[0] != 62:
        return
    table, = struct.unpack_from("<Q", data, 40)
    count, = struct.unpack_from("<H", data, 60)
    for index in range(count):
        _, kind, flags, address, offset, size = struct.unpack_from("<IIQQQQ", data, table + 64 * index)
        if kind == 1 and flags & 4 and size:
            yield offset, address, size


def records(section, address):
    """Offset, length, flags and address meant of each line of the disassembly of `section`."""
    with tempfile.NamedTemporaryFile() as scratch:
        scratch.write(section)
        scratch.flush()
        text = subprocess.run(
            ["objdump", "-D", "-z", "-w", "--no-show-raw-insn", "-b", "binary", "-m", "i386:x86-64",
             "-M", "intel64", f"--adjust-vma={address:#x}", scratch.name],
            check=True, stdout=subprocess.PIPE).stdout.decode("latin-1")
    last = None
    for match in LINE.finditer(text):
        offset = int(match.group(1), 16) - address
        if last is not None:
            yield last[0], offset - last[0], *last[1:]
        last = (offset, *meaning(match.group(2)))
    if last is not None:
        yield last[0], len(section) - last[0], *last[1:]


def meaning(line):
    """Flags and address meant of an instruction."""
    if BAD.search(line):
        return 1, 0
    if "(%rip)" in line or "(%eip)" in line:
        found = MEANT.search(line)
        return 2, int(found.group(1), 16)
    found = BRANCH.search(line)
    return (2, int(found.group(1), 16)) if found else (0, 0)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    most = int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize
    with open(sys.argv[2], "wb") as output:
        for offset, address, size in executable_sections(data):
            size = min(size, most)
            packed = bytearray()
            for at, length, flags, meant in records(data[offset:offset + size], address):
                packed += struct.pack("<IBBHQ", at, length, flags, 0, meant & (1 << 64) - 1)
            output.write(struct.pack("<QQQQ", offset, address, size, len(packed) // 16))
            output.write(packed)


if __name__ == "__main__":
    main()
