"""RISC-V instructions of RV64GC (RISC-V ISA manual, volume 1)."""
from kinds import (RISC_BRANCH, RISC_HALF as HALF, RISC_JUMP, RISC_LOW12I, RISC_LOW12S, RISC_PAGE,
                   RISC_SHORT_BRANCH, RISC_SHORT_JUMP, RISC_WORD)
from layout import MASK64, signed
from words import Effect, narrow, put

# ra, t0 to t6 and a0 to a7: what a call may change.
CALL_CLOBBERS = 0xF003FCE2
ALL = 0xFFFFFFFF

# How immediates are spread: (lowest bit in the instruction, count, lowest bit in the immediate); the
# last one is the sign.
JUMP = [(21, 10, 1), (20, 1, 11), (12, 8, 12), (31, 1, 20)]
BRANCH = [(8, 4, 1), (25, 6, 5), (7, 1, 11), (31, 1, 12)]
SHORT_JUMP = [(3, 3, 1), (11, 1, 4), (2, 1, 5), (7, 1, 6), (6, 1, 7), (9, 2, 8), (8, 1, 10), (12, 1, 11)]
SHORT_BRANCH = [(3, 2, 1), (10, 2, 3), (2, 1, 5), (5, 2, 6), (12, 1, 8)]
SPREAD = {RISC_JUMP: JUMP, RISC_BRANCH: BRANCH, RISC_SHORT_JUMP: SHORT_JUMP,
          RISC_SHORT_BRANCH: SHORT_BRANCH}


def gather(word, parts):
    value = 0
    for at, count, to in parts:
        value |= (word >> at & (1 << count) - 1) << to
    return signed(value, parts[-1][2] + 1)


def spread(old, value, parts):
    for at, count, to in parts:
        mask = (1 << count) - 1
        old = old & ~(mask << at) | (value >> to & mask) << at
    return old


def destination(word):
    return 1 << (word >> 7 & 31)


def is_word(half):
    return half & 3 == 3


def low(word, kind, cleared=0):
    return Effect(RISC_WORD, cleared, low=kind, base=word >> 15 & 31)


def jump_clears(word, known):
    if word >> 7 & 31 == 0:
        return 0 if known else ALL
    return CALL_CLOBBERS | destination(word)


def full(word):
    function = word >> 12 & 7
    opcode = word >> 2 & 31
    is_scalar = 1 <= function <= 4
    if opcode == 0b00000 or opcode == 0b00100 and function == 0:
        return low(word, RISC_LOW12I, destination(word))
    if opcode == 0b00001:
        return low(word, RISC_LOW12I) if is_scalar else Effect(RISC_WORD)
    if opcode == 0b01000:
        return low(word, RISC_LOW12S)
    if opcode == 0b01001:
        return low(word, RISC_LOW12S) if is_scalar else Effect(RISC_WORD)
    if opcode == 0b00101:
        return Effect(RISC_PAGE, destination(word), page=word >> 7 & 31)
    if opcode == 0b11000:
        return Effect(RISC_BRANCH)
    if opcode == 0b11001:
        return low(word, RISC_LOW12I, jump_clears(word, known=False))
    if opcode == 0b11011:
        return Effect(RISC_JUMP, jump_clears(word, known=True))
    writes = opcode in (0b00100, 0b00110, 0b01011, 0b01100, 0b01101, 0b01110, 0b11100)
    if opcode == 0b10100:
        writes = word >> 27 in (0b10100, 0b11000, 0b11100)
    if opcode == 0b10101:
        writes = function == 7 or function == 2 and word >> 26 == 0b010000
    return Effect(RISC_WORD, destination(word) if writes else 0)


def compressed(word):
    form = (word & 3, word >> 13 & 7)
    if form in ((0, 0), (0, 2), (0, 3), (0, 4)):
        return Effect(HALF, 1 << (8 | word >> 2 & 7))
    if form in ((1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 2), (2, 3)):
        return Effect(HALF, destination(word))
    if form == (1, 4):
        return Effect(HALF, 1 << (8 | word >> 7 & 7))
    if form == (1, 5):
        return Effect(RISC_SHORT_JUMP)
    if form in ((1, 6), (1, 7)):
        return Effect(RISC_SHORT_BRANCH)
    if form == (2, 4):
        if word >> 2 & 31:
            return Effect(HALF, destination(word))
        return Effect(HALF, CALL_CLOBBERS if word & 0x1000 else ALL)
    return Effect(HALF)


def effect(word):
    return full(word) if is_word(word) else compressed(word)


def upper(word):
    return signed(word & 0xFFFFF000, 32)


def low_i(word):
    return signed(word >> 20, 12)


def low_s(word):
    return signed(word >> 25, 7) << 5 | word >> 7 & 31


def low_of_partner(word):
    if word == 0:
        return 0
    return low_s(word) if word & 0x78 == 0x20 else low_i(word)


class Risc:
    step = 2
    zero = 0
    is_arm = False

    def registers(self, word):
        return ()

    def effect(self, word):
        return effect(word)

    def pair(self, low_kind, page, distance):
        return low_kind

    def target(self, kind, word, place, partner, partner_place):
        if kind in SPREAD:
            result = place + gather(word, SPREAD[kind])
        elif kind == RISC_PAGE:
            result = place + upper(word) + low_of_partner(partner)
        elif kind == RISC_LOW12I:
            result = partner_place + upper(partner) + low_i(word)
        else:
            result = partner_place + upper(partner) + low_s(word)
        return result & MASK64

    def word(self, kind, old, target, place, partner_place):
        delta = target - place
        if kind in SPREAD:
            parts = SPREAD[kind]
            field = narrow(delta, parts[-1][2], 1)
            if field is None:
                return None
            return spread(old, field << 1, parts)
        if kind == RISC_PAGE:
            return put(old, delta + 0x800 & ~0xFFF, 12, 20, 12)
        half = target - partner_place & 0xFFF
        if kind == RISC_LOW12I:
            return old & 0x000FFFFF | half << 20
        return old & 0x01FFF07F | half >> 5 << 25 | (half & 31) << 7

    def masked(self, word):
        kind = effect(word).kind
        if kind in (RISC_JUMP, RISC_PAGE):
            return word & 0xFFF
        if kind in SPREAD:
            return word & {RISC_BRANCH: 0x01FFF07F, RISC_SHORT_JUMP: 0xE003,
                           RISC_SHORT_BRANCH: 0xE383}[kind]
        return word if is_word(word) else word & 0xFFFF

    def instruction_class(self, word):
        function = word >> 12 & 7
        if not is_word(word):
            is_operation = word & 3 != 0 and word >> 13 & 7 == 4
            long = (word >> 10 & 7) << 2 | word >> 5 & 3 if is_operation else 0
            return 1 << 16 | word & 3 | (word >> 13 & 7) << 2 | long << 5
        opcode = word >> 2 & 31
        if opcode in (0b01011, 0b01100, 0b01110, 0b10100, 0b10101):
            return opcode | function << 5 | word >> 25 << 8
        return opcode if opcode in (0b00101, 0b01101, 0b11011) else opcode | function << 5
