"""The arithmetic coder and the tables of its numbers (docs/format.md, "Delta codec 1: arithmetic coder" and
"numbers and tables").

Everything is made of integers. Values that the format keeps in 64 bits are kept below 2**64 by hand.
"""

MASK64 = (1 << 64) - 1

STRETCH_LIMIT = 2880
COUNT_LIMIT = 1023
# Zeros that may be read behind the end of a stream.
SLACK = 8


class Malformed(Exception):
    """The delta is one that no encoder writes."""


def check(condition, message):
    if not condition:
        raise Malformed(message)


def make_squash():
    """Probability in 1/65536 of each stretched probability, from -STRETCH_LIMIT on."""
    one = 1 << 48
    ratio = one + (one >> 8) + (one >> 17) + (one >> 24) // 6 + (one >> 32) // 24
    power = 1 << 32
    upper = []
    for _ in range(STRETCH_LIMIT + 1):
        divisor = power + (1 << 32)
        upper.append(max(1, (one + divisor // 2) // divisor))
        power = power * ratio >> 48
    lower = [65536 - value for value in upper]
    return upper[:0:-1] + lower


def make_stretch(squash):
    """For each probability the largest stretched value whose probability does not exceed it."""
    index = 0
    stretch = []
    for probability in range(65536):
        while index + 1 < len(squash) and squash[index + 1] <= probability:
            index += 1
        stretch.append(index - STRETCH_LIMIT)
    return stretch


SQUASH = make_squash()
STRETCH = make_stretch(SQUASH)
RATE = [131072 // (2 * count + 3) for count in range(COUNT_LIMIT + 1)]


class Decoder:
    """Turns bytes into bits whose probabilities are given."""

    def __init__(self, data, offset):
        self.data = data
        self.position = offset
        self.low = 0
        self.high = MASK64
        self.window = 0
        for _ in range(8):
            self.window = self.window << 8 | self.next_byte()

    def next_byte(self):
        byte = self.data[self.position] if self.position < len(self.data) else 0
        self.position += 1
        return byte

    def bit(self, probability):
        """The next bit; `probability` is that of a one in 1/65536."""
        low, high = self.low, self.high
        span = high - low
        middle = low + (span >> 16) * probability + ((span & 0xFFFF) * probability >> 16)
        if self.window <= middle:
            result = 1
            high = middle
        else:
            result = 0
            low = middle + 1
        while (low ^ high) >> 56 == 0:
            low = low << 8 & MASK64
            high = (high << 8 & MASK64) | 0xFF
            self.window = (self.window << 8 & MASK64) | self.next_byte()
            check(self.position <= len(self.data) + SLACK, "the delta is cut off")
        self.low, self.high = low, high
        return result

    def raw(self, count):
        """A number of `count` bits of which nothing is known."""
        result = 0
        for _ in range(count):
            result = result << 1 | self.bit(32768)
        return result

    def check_end(self):
        """Refuses a stream that does not end with the shortest bytes inside the interval."""
        end = self.position - 8
        check(bytes(self.data[end:]) == self.tail(), "an end that no encoder writes")

    def tail(self):
        if self.low == 0:
            return b""
        for count in range(1, 8):
            unit = 1 << (64 - 8 * count)
            value = (self.low + unit - 1) // unit * unit
            if value <= self.high:
                return value.to_bytes(8, "big")[:count]
        return self.low.to_bytes(8, "big")
