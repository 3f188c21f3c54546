"""The models of flags, numbers and bytes (docs/format.md, "Delta codec 1: flags, bytes, numbers").

Each takes `known`: None while decoding, else the value that stands in bytes both sides have, which the
model only learns from (rehearsal).
"""
import prior
from coder import COUNT_LIMIT, MASK64, RATE, SQUASH, STRETCH, STRETCH_LIMIT

GOLDEN = 0x9E3779B97F4A7C15
MIX = 0xD6E8FEB86659FD93

UNSEEN = 1 << 31
BIAS = 256
# Errors up to this leave the weights as they are.
CERTAINTY = 256

FLAG_LIMIT, FLAG_RATE, FLAG_WEIGHT = 1022, 70, 19661
BYTE_LIMIT, BYTE_RATE, BYTE_WEIGHT = 255, 100, 14418
FINAL_RATE, FINAL_WEIGHT = 14, 21845
SUREST = 16
MAP_POINTS = 33
MAP_SPACING = STRETCH_LIMIT * 2 // (MAP_POINTS - 1)
NUMBER_BITS, NUMBER_UPPER, NUMBER_LIMIT = 13, 3, 255
LINE_WORDS = 16
WEIGHT_LIMIT = 1 << 17

GAIN = [0, 105, 90, 77, 77, 77] + [67] * (COUNT_LIMIT - 5)


def start(model):
    """The hash that contexts of the model with this number begin with."""
    return (model + 1) * GOLDEN & MASK64


def mix(value, *items):
    """The hash `value` with items added, one after the other."""
    for item in items:
        value = (value ^ (item & MASK64)) * MIX & MASK64
        value ^= value >> 32
    return value


def context(model, *items):
    return mix(start(model), *items)


def updated(slot, bit, limit):
    """An adaptive bit (22 bits of probability, 10 of count) after it has seen `bit`."""
    count = slot & COUNT_LIMIT
    probability = slot >> 10
    target = 0x3FFFFF if bit else 0
    probability += (target - probability) * RATE[count] >> 16
    return probability << 10 | (count + 1 if count < limit else limit)


def weighted(inputs, weights, place):
    """Weights are cut to 16 bits, the sum has 32."""
    total = BIAS * (weights[place + len(inputs)] >> 2)
    for index, value in enumerate(inputs, place):
        total += value * (weights[index] >> 2)
    total = (total + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
    return max(-STRETCH_LIMIT, min(STRETCH_LIMIT, total >> 14))


def learn(inputs, weights, place, bit, probability, rate):
    error = (bit << 16) - probability
    if -CERTAINTY <= error <= CERTAINTY:
        return
    error = error * rate >> 8
    for index, value in enumerate([*inputs, BIAS], place):
        moved = weights[index] + (value * error + 0x800 >> 12)
        weights[index] = max(-WEIGHT_LIMIT, min(WEIGHT_LIMIT - 1, moved))


class FlagModel:
    """Single decisions, each under several contexts."""

    def __init__(self, bits, sets, inputs, model):
        self.slots = [UNSEEN] * (1 << bits)
        slots, weights = prior.STARTS[model]
        for key, state in slots.items():
            self.slots[key >> prior.KEY_BITS - bits] = state
        self.shift = 64 - bits
        self.inputs = inputs
        self.weights = ([FLAG_WEIGHT] * inputs + [0]) * sets
        for place, weight in weights.items():
            self.weights[place] = weight

    def code(self, coder, contexts, number, known=None):
        """One flag with the weights of set `number`."""
        slots = self.slots
        places = [mix(hash, index) * GOLDEN % (1 << 64) >> self.shift
                  for index, hash in enumerate(contexts)]
        inputs = []
        for place in places:
            slot = slots[place]
            inputs.append(STRETCH[slot >> 16] * GAIN[slot & COUNT_LIMIT] >> 6)
        first = number * (self.inputs + 1)
        probability = SQUASH[weighted(inputs, self.weights, first) + STRETCH_LIMIT]
        bit = coder.bit(probability) if known is None else int(known)
        learn(inputs, self.weights, first, bit, probability, FLAG_RATE)
        for place in places:
            slots[place] = updated(slots[place], bit, FLAG_LIMIT)
        return bit == 1


class NumberModel:
    """Whole numbers: how many bits they have, then the bits below the highest."""

    def __init__(self, contexts, model):
        self.flags = FlagModel(NUMBER_BITS, contexts * 2, 4, model)
        self.lower = [UNSEEN] * (64 * 64)
        self.last = [0] * contexts

    def code(self, coder, number, hint=0, other=0):
        """A number below 2**63; `number` says in which context it comes."""
        begin = start(number)
        contexts = [begin, mix(begin, self.last[number].bit_length(), 1), mix(begin, hint, 2),
                    mix(begin, other, hint, 3)]

        def bit(node, weights):
            return self.flags.code(coder, [mix(hash, node) for hash in contexts], weights)

        node = 1
        for _ in range(6):
            node = node << 1 | bit(node, number * 2)
        width = node & 63
        value = min(width, 1)
        for position in reversed(range(width - 1)):
            if width - 2 - position < NUMBER_UPPER:
                value = value << 1 | bit(64 + (width << 4 | value), number * 2 + 1)
            else:
                place = width * 64 + position
                slot = self.lower[place]
                coded = coder.bit(max(1, slot >> 16))
                self.lower[place] = updated(slot, coded, NUMBER_LIMIT)
                value = value << 1 | coded
        self.last[number] = value
        return value

    def code_signed(self, coder, number, hint=0, other=0):
        value = self.code(coder, number, hint, other)
        return value >> 1 ^ -(value & 1)


class ContextTable:
    """The memory of byte models: lines of a check and the 15 nodes of half a byte."""

    def __init__(self, bits):
        self.words = ([0] + [UNSEEN] * (LINE_WORDS - 1)) * (1 << bits)
        self.mask = (1 << bits) - 1

    def lines(self, hashes):
        """Where the lines of `hashes` start, after making those that were not there."""
        before = [self.words[self.second(hash)] for hash in hashes]
        return [self.line(hash, word) for hash, word in zip(hashes, before)]

    def first(self, hash):
        return (hash & 0xFFFFFFFF & self.mask) * LINE_WORDS

    def second(self, hash):
        return self.first(hash) ^ LINE_WORDS

    def line(self, hash, before):
        """`before` is the check in the second place before any of these lines was made."""
        words = self.words
        check_word = hash >> 40 | 1
        first, second = self.first(hash), self.second(hash)
        if words[first] == check_word:
            return first
        if before == check_word == words[second]:
            return second
        place = first if words[first + 1] & COUNT_LIMIT <= words[second + 1] & COUNT_LIMIT else second
        words[place] = check_word
        words[place + 1:place + LINE_WORDS] = [UNSEEN] * (LINE_WORDS - 1)
        return place


class ProbabilityMap:
    """A last correction: what a probability turned out to be, in lines of 33 points."""

    def __init__(self, lines):
        self.values = [SQUASH[point * MAP_SPACING] for point in range(MAP_POINTS)] * lines

    @staticmethod
    def place(stretched, line):
        position = stretched + STRETCH_LIMIT
        point = min(position // MAP_SPACING, MAP_POINTS - 2)
        return line * MAP_POINTS + point, position - point * MAP_SPACING

    def refined(self, stretched, line):
        place, offset = self.place(stretched, line)
        return (self.values[place] * (MAP_SPACING - offset) + self.values[place + 1] * offset) // MAP_SPACING

    def learn(self, stretched, line, bit):
        place, offset = self.place(stretched, line)
        if offset * 2 >= MAP_SPACING:
            place += 1
        value = self.values[place]
        # Division rounds towards zero.
        step = (65535 if bit else 0) - value + 63
        self.values[place] = value + (step // 64 if step >= 0 else -(-step // 64))


class ByteModel:
    """Bytes, bit by bit from the highest, each under several contexts."""

    def __init__(self, kinds, inputs, model):
        self.inputs = inputs
        weights = [BYTE_WEIGHT] * inputs + [0]
        self.kind_weights = weights * kinds
        self.seen_weights = weights * (2 * (inputs + 1))
        self.path_weights = weights * 256
        self.final_weights = [FINAL_WEIGHT] * 3 + [0]
        self.final_weights = self.final_weights * kinds
        for place, weight in prior.STARTS[model][1].items():
            for weights in (self.kind_weights, self.seen_weights, self.path_weights, self.final_weights):
                if place < len(weights):
                    weights[place] = weight
                    break
                place -= len(weights)

    def code(self, coder, contexts, kind, table, known=None):
        """One byte of `kind`; the contexts find their memory in `table`."""
        upper = self.half(coder, contexts, kind, table, 0, None if known is None else known >> 4)
        lower = self.half(coder, contexts, kind, table, upper + 16,
                          None if known is None else known & 15)
        return upper << 4 | lower

    def half(self, coder, contexts, kind, table, above, known):
        """Four bits; `above` is 0 for the upper half, and 16 and the upper half for the lower."""
        lines = table.lines([mix(hash, index << 8 | above) for index, hash in enumerate(contexts)])
        node = 1
        for position in range(4):
            if known is None:
                path = node if above == 0 else above << position | node - (1 << position)
                bit = self.bit(coder, lines, node, path, kind, 0 if above == 0 else 1, table.words)
            else:
                bit = known >> (3 - position) & 1
            for line in lines:
                table.words[line + node] = updated(table.words[line + node], bit, BYTE_LIMIT)
            node = node << 1 | bit
        return node & 15

    def bit(self, coder, lines, node, path, kind, lower, words):
        """Decodes one bit and lets the weights learn; the slots of the lines are the caller's."""
        inputs = []
        seen = 0
        for line in lines:
            slot = words[line + node]
            count = slot & COUNT_LIMIT
            if count:
                seen += 1
            inputs.append(STRETCH[slot >> 16] * GAIN[count] >> 6)
        size = self.inputs + 1
        mixers = [(self.kind_weights, kind * size), (self.seen_weights, (seen * 2 + lower) * size),
                  (self.path_weights, path * size)]
        sums = [weighted(inputs, weights, first) for weights, first in mixers]
        total = weighted(sums, self.final_weights, kind * 4)
        mixed = SQUASH[total + STRETCH_LIMIT]
        bit = coder.bit(max(SUREST, min(65536 - SUREST, mixed)))
        for (weights, first), opinion in zip(mixers, sums):
            learn(inputs, weights, first, bit, SQUASH[opinion + STRETCH_LIMIT], BYTE_RATE)
        learn(sums, self.final_weights, kind * 4, bit, mixed, FINAL_RATE)
        return bit
