"""LoongArch64 instructions (LoongArch Reference Manual, volume 1, appendix B)."""
from kinds import (LOONG_BRANCH16, LOONG_BRANCH21, LOONG_BRANCH26, LOONG_CALL, LOONG_CALL_END,
                   LOONG_LOW12, LOONG_PAGE, LOONG_PCADDI, LOONG_RELATIVE_LOW12, LOONG_RELATIVE_PAGE,
                   LOONG_WORD)
from layout import MASK64, signed
from registers import loong_registers
from words import Effect, narrow, put

# ra, a0 to a7 and t0 to t8: what a call may change.
CALL_CLOBBERS = 0x001FFFF2
ALL = 0xFFFFFFFF


def destination(word):
    return 1 << (word & 31)


def base(word):
    return word >> 5 & 31


def completing(word, cleared, low=LOONG_LOW12):
    return Effect(LOONG_WORD, cleared, low=low, base=base(word))


def effect(word):
    opcode = word >> 26
    if opcode == 0x00:
        return arithmetic(word)
    if opcode in (0x01, 0x04, 0x08):
        return Effect(LOONG_WORD, destination(word))
    if opcode in (0x05, 0x06, 0x07):
        return upper(word)
    if opcode == 0x09:
        return Effect(LOONG_WORD, 0 if word & 0x01000000 else destination(word))
    if opcode == 0x0A:
        operation = word >> 22 & 15
        if operation == 11:
            return Effect(LOONG_WORD)
        return completing(word, destination(word) if operation < 4 or 8 <= operation <= 10 else 0)
    if opcode == 0x0B:
        return completing(word, 0) if word >> 24 == 0x2C else Effect(LOONG_WORD)
    if opcode == 0x0E:
        operation = word >> 18 & 0xFF
        writes = operation <= 3 or 8 <= operation <= 10 or 0x15 <= operation <= 0x1B or operation == 0x1E
        return Effect(LOONG_WORD, destination(word) if writes else 0)
    if 0x10 <= opcode <= 0x1B:
        return branch(word)
    if opcode in (0x1C, 0x1D):
        picks = word >> 16 & 0xFBFF in (0x72EF, 0x72F3)
        return Effect(LOONG_WORD, destination(word) if picks else 0)
    return Effect(LOONG_WORD)


def arithmetic(word):
    if word >> 22 == 0x0B:
        return completing(word, destination(word))
    if word >> 24 != 1:
        return Effect(LOONG_WORD, destination(word))
    writes = word >> 10 in (0x452D, 0x452E, 0x452F, 0x4532, 0x4537)
    return Effect(LOONG_WORD, destination(word) if writes else 0)


def upper(word):
    opcode = word >> 25
    if opcode == 0x0C:
        return Effect(LOONG_PCADDI, destination(word))
    kind = {0x0D: LOONG_PAGE, 0x0E: LOONG_RELATIVE_PAGE, 0x0F: LOONG_CALL}.get(opcode)
    if kind is None:
        return Effect(LOONG_WORD, destination(word))
    return Effect(kind, destination(word), page=word & 31)


def branch(word):
    opcode = word >> 26
    if opcode == 0x13:
        return completing(word, CALL_CLOBBERS if word & 31 == 1 else ALL, low=LOONG_CALL_END)
    if opcode in (0x10, 0x11):
        return Effect(LOONG_BRANCH21)
    if opcode == 0x12:
        return Effect(LOONG_BRANCH21 if word & 0x200 == 0 else LOONG_WORD)
    if opcode == 0x14:
        return Effect(LOONG_BRANCH26)
    if opcode == 0x15:
        return Effect(LOONG_BRANCH26, CALL_CLOBBERS)
    return Effect(LOONG_BRANCH16)


def si20(word):
    return signed(word >> 5, 20)


def si12(word):
    return signed(word >> 10, 12)


def jump16(word):
    return signed(word >> 10, 16) << 2


def put12(old, value):
    return old & 0xFFC003FF | (value & 0xFFF) << 10


def put_split(old, field, mask):
    return None if field is None else old & mask | (field & 0xFFFF) << 10 | field >> 16


class Loong:
    step = 4
    zero = 0
    is_arm = False

    def registers(self, word):
        return loong_registers(word)

    def effect(self, word):
        return effect(word)

    def pair(self, low, page, distance):
        if page == LOONG_CALL:
            return low if low == LOONG_CALL_END and distance == 4 else None
        if low != LOONG_LOW12:
            return None
        return LOONG_RELATIVE_LOW12 if page == LOONG_RELATIVE_PAGE else low

    def target(self, kind, word, place, partner, partner_place):
        if kind == LOONG_BRANCH26:
            result = place + (signed(word, 10) << 18 | (word >> 10 & 0xFFFF) << 2)
        elif kind == LOONG_BRANCH21:
            result = place + (signed(word, 5) << 18 | (word >> 10 & 0xFFFF) << 2)
        elif kind == LOONG_BRANCH16:
            result = place + jump16(word)
        elif kind == LOONG_PCADDI:
            result = place + (si20(word) << 2)
        elif kind == LOONG_PAGE:
            result = (place & ~0xFFF) + (si20(word) << 12) + si12(partner)
        elif kind == LOONG_LOW12:
            result = (partner_place & ~0xFFF) + (si20(partner) << 12) + si12(word)
        elif kind == LOONG_RELATIVE_PAGE:
            result = place + (si20(word) << 12) + si12(partner)
        elif kind == LOONG_RELATIVE_LOW12:
            result = partner_place + (si20(partner) << 12) + si12(word)
        elif kind == LOONG_CALL:
            result = place + (si20(word) << 18) + jump16(partner)
        else:
            result = partner_place + (si20(partner) << 18) + jump16(word)
        return result & MASK64

    def word(self, kind, old, target, place, partner_place):
        delta = target - place
        if kind == LOONG_BRANCH26:
            return put_split(old, narrow(delta, 26, 2), 0xFC000000)
        if kind == LOONG_BRANCH21:
            return put_split(old, narrow(delta, 21, 2), 0xFC0003E0)
        if kind == LOONG_BRANCH16:
            return put(old, delta, 10, 16, 2)
        if kind == LOONG_PCADDI:
            return put(old, delta, 5, 20, 2)
        if kind == LOONG_PAGE:
            return put(old, (target + 0x800 & ~0xFFF) - (place & ~0xFFF), 5, 20, 12)
        if kind == LOONG_RELATIVE_PAGE:
            return put(old, delta + 0x800 & ~0xFFF, 5, 20, 12)
        if kind == LOONG_CALL:
            return None if delta & 3 else put(old, delta + 0x20000 & ~0x3FFFF, 5, 20, 18)
        if kind == LOONG_LOW12:
            return put12(old, target)
        if kind == LOONG_RELATIVE_LOW12:
            return put12(old, target - partner_place)
        distance = target - partner_place
        return None if distance & 3 else old & 0xFC0003FF | (distance >> 2 & 0xFFFF) << 10

    def masked(self, word):
        mask = {LOONG_BRANCH26: 0xFC000000, LOONG_BRANCH21: 0xFC0003E0, LOONG_BRANCH16: 0xFC0003FF,
                LOONG_PAGE: 0xFE00001F, LOONG_RELATIVE_PAGE: 0xFE00001F, LOONG_CALL: 0xFE00001F,
                LOONG_PCADDI: 0xFE00001F}.get(effect(word).kind, 0xFFFFFFFF)
        return word & mask

    def instruction_class(self, word):
        return (word & opcode_mask(word)) >> 15


def opcode_mask(word):
    opcode = word >> 26
    if 0x10 <= opcode <= 0x1B or opcode == 0x04:
        return 0xFC000000
    if opcode == 0x00:
        return 0xFFC00000 if word & 0x02000000 else 0xFFFF8000
    return {0x05: 0xFE000000, 0x06: 0xFE000000, 0x07: 0xFE000000, 0x08: 0xFF000000, 0x09: 0xFF000000,
            0x0A: 0xFFC00000, 0x0B: 0xFFC00000, 0x02: 0xFFF00000, 0x03: 0xFFF00000}.get(
                opcode, 0xFFFF8000)
