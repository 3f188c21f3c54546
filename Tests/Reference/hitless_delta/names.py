"""What became of the registers of x86-64 code (docs/format.md, "Delta codec 1: contents", 8.11.1)."""
import kinds


def at(data, offset):
    return data[offset] if 0 <= offset < len(data) else 0


def names_register(opcode, is_two_byte):
    if is_two_byte:
        return opcode & 0xF8 == 0xC8
    return opcode & 0xF0 in (0x50, 0xB0) or opcode & 0xF8 == 0x90


def is_of_vectors(opcode):
    return (0x10 <= opcode <= 0x17 or 0x28 <= opcode <= 0x2F or 0x50 <= opcode <= 0x7F or opcode >= 0xD0
            or opcode in (0xC2, 0xC4, 0xC5, 0xC6))


EXTENDED_ONE = {*range(0x80, 0x84), 0x8F, 0xC0, 0xC1, 0xC6, 0xC7, *range(0xD0, 0xE0), 0xF6, 0xF7, 0xFE, 0xFF}
EXTENDED_TWO = {0x00, 0x01, 0x0D, *range(0x18, 0x20), *range(0x71, 0x74), *range(0x90, 0xA0), 0xAE, 0xBA, 0xC7}


def is_extended(opcode, is_two_byte):
    """Whether the middle field of ModRM is a part of the opcode."""
    return opcode in (EXTENDED_TWO if is_two_byte else EXTENDED_ONE)


def has_base(modrm):
    return modrm & 7 != 4 and modrm & 0xC7 != 5


class RegisterNames:
    def __init__(self):
        self.general = list(range(16))
        self.vector = list(range(16))
        self.interrupt()

    def interrupt(self):
        self.rex_old = self.rex_new = self.opcode = self.count = self.frame = 0
        self.is_two_byte = self.is_same = self.is_vector = False

    def begin(self):
        self.interrupt()
        self.is_same = True

    @property
    def names(self):
        """The table of what ModRM names, where that is no base of an address."""
        vectors = self.is_two_byte and is_of_vectors(self.opcode) or self.count > 2
        return self.vector if vectors else self.general

    def register_in_opcode(self, byte):
        if self.count == 0:
            return names_register(byte, False)
        return self.count == 1 and self.opcode == 0x0F and names_register(byte, True)

    def renamed(self, kind, old, base):
        was = at(base, old)
        if self.is_vector:
            return was
        general, rex = self.general, self.rex_old
        if kind == kinds.PREFIX:
            return self.renamed_rex(was, old, base) if was & 0xF0 == 0x40 else was
        if kind == kinds.OPCODE and self.register_in_opcode(was):
            return was & 0xF8 | general[(rex & 1) << 3 | was & 7] & 7
        if kind == kinds.MODRM:
            result = was
            if not is_extended(self.opcode, self.is_two_byte):
                result = result & 0xC7 | (self.names[(rex & 4) << 1 | was >> 3 & 7] & 7) << 3
            other = (rex & 1) << 3 | was & 7
            if was >> 6 == 3:
                return result & 0xF8 | self.names[other] & 7
            return result & 0xF8 | general[other] & 7 if has_base(was) else result
        if kind == kinds.SIB:
            index = general[(rex & 2) << 2 | was >> 3 & 7] & 7
            return was & 0xC0 | index << 3 | general[(rex & 1) << 3 | was & 7] & 7
        return was

    def renamed_rex(self, was, old, base):
        general = self.general
        place = old + 1
        two = at(base, place) == 0x0F
        place += two
        opcode = at(base, place)
        if two and opcode in (0x38, 0x3A):
            return was
        if names_register(opcode, two):
            return was & 0xFE | general[(was & 1) << 3 | opcode & 7] >> 3
        names = self.vector if two and is_of_vectors(opcode) else general
        modrm = at(base, place + 1)
        result = was
        if not is_extended(opcode, two):
            result = result & 0xFB | names[(was & 4) << 1 | modrm >> 3 & 7] >> 3 << 2
        other = (was & 1) << 3 | modrm & 7
        if modrm >> 6 == 3:
            return result & 0xFE | names[other] >> 3
        if modrm & 7 != 4:
            return result & 0xFE | general[other] >> 3
        sib = at(base, place + 2)
        index = general[(was & 2) << 2 | sib >> 3 & 7] >> 3
        return result & 0xFC | index << 1 | general[(was & 1) << 3 | sib & 7] >> 3

    def learn(self, kind, was, now):
        if kind == kinds.PREFIX:
            if was & 0xF0 == 0x40:
                self.rex_old, self.rex_new = was, now
                self.is_same = self.is_same and (was ^ now) & 0xF8 == 0
            else:
                self.is_vector = self.is_vector or was in (0xC4, 0xC5, 0x62)
                self.is_same = self.is_same and was == now
        elif kind == kinds.OPCODE:
            self.learn_opcode(was, now)
        elif kind == kinds.MODRM:
            self.frame = 64 | now >> 6 << 4 | (self.rex_new & 1) << 3 | now & 7
            self.learn_modrm(was, now)
        elif kind == kinds.SIB:
            self.frame = 128 | (self.rex_new & 1) << 3 | now & 7
            if self.is_same and not self.is_vector and (was ^ now) & 0xC0 == 0:
                self.general[(self.rex_old & 2) << 2 | was >> 3 & 7] = (self.rex_new & 2) << 2 | now >> 3 & 7
                self.general[(self.rex_old & 1) << 3 | was & 7] = (self.rex_new & 1) << 3 | now & 7

    def learn_opcode(self, was, now):
        names_it = self.register_in_opcode(was) and not self.is_vector
        self.is_two_byte = self.count == 1 and self.opcode == 0x0F
        self.count += 1
        self.opcode = was
        if not names_it:
            self.is_same = self.is_same and was == now
        elif self.is_same and (was ^ now) & 0xF8 == 0:
            self.general[(self.rex_old & 1) << 3 | was & 7] = (self.rex_new & 1) << 3 | now & 7

    def learn_modrm(self, was, now):
        self.is_same = self.is_same and not self.is_vector and was >> 6 == now >> 6
        if not self.is_same:
            return
        if not is_extended(self.opcode, self.is_two_byte):
            self.names[(self.rex_old & 4) << 1 | was >> 3 & 7] = (self.rex_new & 4) << 1 | now >> 3 & 7
        elif (was ^ now) & 0x38:
            self.is_same = False
            return
        other, name = (self.rex_old & 1) << 3 | was & 7, (self.rex_new & 1) << 3 | now & 7
        if was >> 6 == 3:
            self.names[other] = name
        elif has_base(was) and now & 7 != 4:
            self.general[other] = name
        elif (was ^ now) & 7:
            self.is_same = False
