#!/usr/bin/env python3
"""Applies a delta file: decode.py OLD DELTAFILE -o NEW

A second decoder of docs/format.md, section 8, made to be read: slow, with checks of what a stream has to
look like, and with nothing in common with the Swift code but the format. The modules follow the sections
of that document. Exits with 1 and says why when the file is refused.
"""
import argparse
import hashlib
import pathlib
import sys

from coder import Decoder, Malformed, check
from contents import Contents
from covers import CoverDecoder
from fields_tables import FieldMap
from front import FrontDecoder
from plain import LONGEST_PERIOD, Plain

MAGIC = b"HLD1"
HEADER = 84
STORED, DELTA, WHOLE, PLAIN = range(4)
LARGEST = 1 << 30
# Lines of the context table as a power of two: limits, and how far they follow the target's size.
TABLE_BITS = (10, 17)
TABLE_SHIFT = {DELTA: -1, WHOLE: 2}


def leb(data, place):
    """A number in groups of seven bits and where it ends; one spelling per number."""
    value = shift = 0
    begin = place
    while True:
        check(place < len(data) and shift < 63, "a number without an end")
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        shift += 7
        if byte < 0x80:
            check(byte or place == begin + 1, "a needless last byte")
            return value, place


def decode_blob(data, base):
    """What the blob `data` makes of `base`."""
    check(data, "no delta at all")
    mode = data[0]
    check(mode in range(4), "an unknown codec")
    size, place = leb(data, 1)
    check(size <= LARGEST, "a target that is too large")
    if mode == STORED:
        check(len(data) == place + size, "a target of another size")
        return data[place:]
    if mode == PLAIN:
        shape, place = leb(data, place)
        check(0 < shape >> 1 <= LONGEST_PERIOD, "a period")
        return Plain(Decoder(data, place), size, shape).decode()
    count = 0
    if mode == DELTA:
        count, place = leb(data, place)
        check(0 < count <= size, "a number of covers")
    coder = Decoder(data, place)
    fields = FieldMap(base)
    front = FrontDecoder(coder, fields.layout).decode(size)
    covers = CoverDecoder(coder, fields.starts, size, len(base))
    covers = [covers.next() for _ in range(count)]
    table_bits = min(TABLE_BITS[1], max(TABLE_BITS[0], size.bit_length() + TABLE_SHIFT[mode]))
    target = Contents(coder, base, fields, front, covers, size, table_bits).decode()
    coder.check_end()
    return target


def decode_file(data, base):
    """What the delta file `data` makes of `base`; digests are checked."""
    check(len(data) > HEADER and data[:4] == MAGIC, "no delta file")
    sizes = [int.from_bytes(data[at:at + 8], "little") for at in (4, 12)]
    digests = [data[20:52], data[52:84]]
    check((len(base), hashlib.sha256(base).digest()) == (sizes[0], digests[0]), "another base")
    target = decode_blob(data[HEADER:], base)
    check((len(target), hashlib.sha256(target).digest()) == (sizes[1], digests[1]), "another target")
    return target


def main():
    parser = argparse.ArgumentParser(description="Applies a delta file.")
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("delta", type=pathlib.Path)
    parser.add_argument("-o", dest="new", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    try:
        target = decode_file(arguments.delta.read_bytes(), arguments.old.read_bytes())
    except Malformed as malformed:
        sys.exit(f"decode.py: error: '{arguments.delta}' holds {malformed}")
    arguments.new.write_bytes(target)


if __name__ == "__main__":
    main()
