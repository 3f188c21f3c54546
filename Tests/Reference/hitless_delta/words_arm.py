"""AArch64 instructions (Arm ARM, C4), as far as they make, complete or clobber addresses."""
from kinds import (ARM_ADR, ARM_ADRP, ARM_BRANCH14, ARM_BRANCH19, ARM_BRANCH26, ARM_LOW12, ARM_WORD)
from layout import MASK64, signed
from registers import any_arm_registers
from words import Effect, narrow, put

# x0 to x18 and x30: what a call may change.
CALL_CLOBBERS = 0x4007FFFF


def destination(word):
    return 1 << (word & 31)


def base(word):
    return word >> 5 & 31


def scale(word):
    """The logarithm of what the immediate of ADD, or of a load or store, counts; None for others."""
    if word & 0xFFC00000 == 0x91000000:
        return 0
    if word & 0x3B000000 != 0x39000000:
        return None
    size = word >> 30
    if word & 0x04800000 != 0x04800000:
        return size
    return 4 if size == 0 else None


def loads_register(word):
    is_vector = word & 0x04000000 != 0
    is_prefetch = word & 0xC0C00000 == 0xC0800000
    return not is_vector and word & 0x00C00000 != 0 and not is_prefetch


def lost(loaded, word):
    """A load from the stack leaves the registers alone that calls preserve: it is an epilogue."""
    return loaded & CALL_CLOBBERS if base(word) == 31 else loaded


def completing(word, cleared):
    shift = scale(word)
    if shift is None or (word >> 10 & 0xFFF) << shift >= 4096:
        return Effect(ARM_WORD, cleared)
    return Effect(ARM_WORD, cleared, low=ARM_LOW12, base=base(word))


def effect(word):
    group = word >> 25 & 15
    if group in (0b1000, 0b1001):
        return immediate(word)
    if group in (0b1010, 0b1011):
        return branch(word)
    if group in (0b0100, 0b0110, 0b1100, 0b1110):
        return memory(word)
    if group in (0b0101, 0b1101):
        return Effect(ARM_WORD, 0 if word & 0x1FE00000 == 0x1A400000 else destination(word))
    if group in (0b0111, 0b1111):
        return Effect(ARM_WORD, vector(word))
    return Effect(ARM_WORD)


def immediate(word):
    if word & 0x1F000000 == 0x10000000:
        if word >> 31 == 0:
            return Effect(ARM_ADR, destination(word))
        return Effect(ARM_ADRP, destination(word), page=word & 31)
    if word & 0xFFC00000 == 0x91000000:
        return completing(word, destination(word))
    return Effect(ARM_WORD, destination(word))


def branch(word):
    top = word >> 24
    if 0x14 <= top <= 0x17:
        return Effect(ARM_BRANCH26)
    if 0x94 <= top <= 0x97:
        return Effect(ARM_BRANCH26, CALL_CLOBBERS)
    if top in (0x54, 0x34, 0x35, 0xB4, 0xB5):
        return Effect(ARM_BRANCH19)
    if top in (0x36, 0x37, 0xB6, 0xB7):
        return Effect(ARM_BRANCH14)
    if top in (0xD6, 0xD7):
        return Effect(ARM_WORD, CALL_CLOBBERS)
    if top == 0xD5 and word & 0x00200000:
        return Effect(ARM_WORD, destination(word))
    return Effect(ARM_WORD)


def memory(word):
    is_vector = word & 0x04000000 != 0
    form = word >> 27 & 7
    if form == 0b111:
        if word & 0x01000000:
            return completing(word, lost(destination(word), word) if loads_register(word) else 0)
        return Effect(ARM_WORD, single(word))
    if form == 0b011:
        if word & 0x01000000:
            is_load = not is_vector and word & 0x00C00000 != 0
            return Effect(ARM_WORD, destination(word) if is_load else 0)
        is_load = not is_vector and word >> 30 != 3
        return Effect(ARM_BRANCH19, destination(word) if is_load else 0)
    if form == 0b101:
        return Effect(ARM_WORD, pair_access(word))
    return Effect(ARM_WORD, exclusive(word))


def single(word):
    cleared = lost(destination(word), word) if loads_register(word) else 0
    if word & 0x00200000 == 0:
        return cleared | (1 << base(word) if word & 0x0400 else 0)
    return destination(word) if word & 0x04000C00 == 0 else cleared


def pair_access(word):
    cleared = 0
    if word & 0x04400000 == 0x00400000:
        cleared = lost(destination(word) | 1 << (word >> 10 & 31), word)
    return cleared | (1 << base(word) if word & 0x00800000 else 0)


def exclusive(word):
    if word & 0x04000000:
        return 1 << base(word) if word & 0x00800000 else 0
    status = 1 << (word >> 16 & 31)
    if word & 0x00400000 == 0:
        return 0 if word & 0x00A00000 == 0x00800000 else status
    second = 1 << (word >> 10 & 31) | status if word & 0x00200000 else 0
    return destination(word) | second


def vector(word):
    if word & 0x5F20FC00 == 0x1E200000:
        return 0 if word >> 16 & 7 in (2, 3, 7) else destination(word)
    return destination(word) if word & 0xBFE0EC00 == 0x0E002C00 else 0


def distance(word):
    return signed(word >> 5, 19) << 2 | word >> 29 & 3


def put_distance(old, field):
    return None if field is None else old & 0x9F00001F | (field & 3) << 29 | field >> 2 << 5


def page(word, place):
    return (place & ~0xFFF) + (distance(word) << 12)


def low(word):
    shift = scale(word)
    return 0 if shift is None else (word >> 10 & 0xFFF) << shift


class Arm:
    step = 4
    zero = 31
    is_arm = True

    def __init__(self):
        self.effects = {}

    def registers(self, word):
        return any_arm_registers(word)

    def effect(self, word):
        if word not in self.effects:
            self.effects[word] = effect(word)
        return self.effects[word]

    def pair(self, low_kind, page_kind, distance):
        return low_kind

    def target(self, kind, word, place, partner, partner_place):
        if kind == ARM_BRANCH26:
            result = place + (signed(word, 26) << 2)
        elif kind == ARM_BRANCH19:
            result = place + (signed(word >> 5, 19) << 2)
        elif kind == ARM_BRANCH14:
            result = place + (signed(word >> 5, 14) << 2)
        elif kind == ARM_ADR:
            result = place + distance(word)
        elif kind == ARM_ADRP:
            result = page(word, place) + low(partner)
        else:
            result = page(partner, partner_place) + low(word)
        return result & MASK64

    def word(self, kind, old, target, place, partner_place):
        delta = target - place
        if kind == ARM_BRANCH26:
            return put(old, delta, 0, 26, 2)
        if kind == ARM_BRANCH19:
            return put(old, delta, 5, 19, 2)
        if kind == ARM_BRANCH14:
            return put(old, delta, 5, 14, 2)
        if kind == ARM_ADR:
            return put_distance(old, narrow(delta, 21, 0))
        if kind == ARM_ADRP:
            return put_distance(old, narrow((target & ~0xFFF) - (place & ~0xFFF), 21, 12))
        shift = scale(old)
        half = target & 0xFFF
        if shift is None or half & (1 << shift) - 1:
            return None
        return old & 0xFFC003FF | half >> shift << 10

    def masked(self, word):
        kind = self.effect(word).kind
        mask = {ARM_BRANCH26: 0xFC000000, ARM_BRANCH19: 0xFF00001F, ARM_BRANCH14: 0xFFF8001F,
                ARM_ADR: 0x9F00001F, ARM_ADRP: 0x9F00001F}.get(kind, 0xFFFFFFFF)
        return word & mask

    def instruction_class(self, word):
        opcode = word & opcode_mask(word)
        return opcode >> 21 | (opcode >> 10 & 0x3F) << 11


def opcode_mask(word):
    group = word >> 25 & 15
    if group == 0b1000:
        return 0x9F000000 if word & 0x01000000 == 0 else 0xFFC00000
    if group == 0b1001:
        return 0xFF800000
    if group in (0b1010, 0b1011):
        return branch_mask(word)
    if group in (0b0100, 0b0110, 0b1100, 0b1110):
        return memory_mask(word)
    if group in (0b0101, 0b1101):
        return register_mask(word)
    if group in (0b0111, 0b1111):
        return 0xFFE08000 if word & 0x5F000000 == 0x1F000000 else 0xFFE0FC00
    return 0xFFE0E000


def branch_mask(word):
    top = word >> 24 & 0x7F
    if 0x14 <= top <= 0x17:
        return 0xFC000000
    if top in (0x36, 0x37):
        return 0x7F000000
    if top == 0x54:
        return 0xFF000000 if word >> 31 == 0 else 0xFFE00000
    return 0xFFE00000 if top in (0x55, 0x56, 0x57) else 0xFF000000


def memory_mask(word):
    form = word >> 27 & 7
    if form == 0b111:
        if word & 0x01000000:
            return 0xFFC00000
        return 0xFFE00C00 if word & 0x00200000 == 0 else 0xFFE0FC00
    if form == 0b101:
        return 0xFFC00000
    if form == 0b011:
        return 0xFF000000 if word & 0x01000000 == 0 else 0xFFE00C00
    return 0xFFE08000 if word & 0x04000000 == 0 else 0xFFE0FC00


def register_mask(word):
    operation = word >> 21 & 0xFF
    if 0x50 <= operation <= 0x57 or operation in (0x58, 0x5A, 0x5C, 0x5E):
        return 0xFFE00000
    if operation in (0x59, 0x5B, 0x5D, 0x5F):
        return 0xFFE0E000
    if 0xD8 <= operation <= 0xDF:
        return 0xFFE08000
    return {0xD2: 0xFFE00800, 0xD4: 0xFFE00C00}.get(operation, 0xFFE0FC00)
