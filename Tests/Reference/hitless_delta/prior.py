"""The prior: what the models know before they have seen anything (docs/format.md, "Delta codec 1: prior").

The bytes are those that the Swift code holds, in base64, so that there is one prior and not two.
"""
import base64
import hashlib
import pathlib
import re

from coder import SQUASH, STRETCH_LIMIT

SOURCES = pathlib.Path(__file__).resolve().parents[3] / "Sources/Ground/DeltaModel"
FILES = ("DeltaPrior+FirstSlots.swift", "DeltaPrior+FirstWeights.swift")
# Numbers of the models, in the order of the prior.
(FRAME_FLAGS, FRAME_NUMBERS, GAPS, COUNTS, JUMPS, COURSES, BLOCKS, FIELDS, BYTES, HEADS, ADDRESSES,
 CHANGED_BYTES, NEW_DATA, NEW_CODE, WORDS, RENAMINGS, RUNS) = range(17)
MODELS = 17
# Of models that begin without a prior.
NOTHING = MODELS
KEY_BITS = 18
STRETCH_UNIT, WEIGHT_UNIT = 24, 1024


def read_bytes(name):
    text = re.search(r'"""\n(.*)\n *"""', (SOURCES / name).read_text(), re.DOTALL).group(1)
    text = "".join(text.split())
    return base64.b64decode(text + "=" * (-len(text) % 4))


def signed(byte):
    return byte - 256 if byte > 127 else byte


class Reader:
    def __init__(self, data):
        self.data = data
        self.place = 0

    def byte(self):
        self.place += 1
        return self.data[self.place - 1]

    def number(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value


def parse(data):
    """For each model its adaptive bits by key, and its weights by place."""
    reader = Reader(data)
    slots = [parse_slots(reader) for _ in range(MODELS)]
    weights = [parse_weights(reader) for _ in range(MODELS)]
    assert reader.place == len(data)
    return list(zip(slots, weights))


def parse_slots(reader):
    slots, key = {}, 0
    for _ in range(reader.number()):
        key += reader.number()
        probability = SQUASH[signed(reader.byte()) * STRETCH_UNIT + STRETCH_LIMIT]
        slots[key] = probability << 16 | reader.byte()
    return slots


def parse_weights(reader):
    weights, place = {}, 0
    for _ in range(reader.number()):
        place += reader.number()
        for _ in range(reader.number()):
            weights[place] = signed(reader.byte()) * WEIGHT_UNIT
            place += 1
    return weights


DATA = b"".join(map(read_bytes, FILES))
STARTS = [*parse(DATA), ({}, {})]

if __name__ == "__main__":
    print(len(DATA), hashlib.sha256(DATA).hexdigest())
