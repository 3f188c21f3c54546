"""Lengths and layouts of x86-64 instructions (docs/format.md, "x86-64 instructions")."""
import kinds
from kinds import FIRST, START

MOST_BYTES = 15

# What follows an opcode, one hexadecimal digit each; ModRM comes with all from A on.
(PLAIN, BYTE, WORD, FULL, WIDE, ADDRESS, BRANCH8, BRANCH32, WORD_AND_BYTE, SPECIAL, MODRM, MODRM_BYTE,
 MODRM_FULL, TEST_BYTE, TEST_FULL, MODRM_TWO_BYTES) = range(16)

# A row for each upper half of the opcode, a digit for each lower half.
ONE_BYTE = [int(digit, 16) for digit in (
    "AAAA1399AAAA1399" "AAAA1399AAAA1399" "AAAA1399AAAA1399" "AAAA1399AAAA1399"
    "9999999999999999" "0000000000000000" "999A99993C1B0000" "6666666666666666"
    "BC9BAAAAAAAAAAA9" "0000000000900000" "5555000013000000" "1111111144444444"
    "BB2099BC80200190" "AAAA9990AAAAAAAA" "6666111177960000" "909900DE000000AA")]
TWO_BYTE = [int(digit, 16) for digit in (
    "AAAA900000909A0B" "AAAAAAAAAAAAAAAA" "99999999AAAAAAAA" "0000009099999999"
    "AAAAAAAAAAAAAAAA" "AAAAAAAAAAAAAAAA" "AAAAAAAAAAAAAAAA" "BBBBAAA0FA99AAAA"
    "7777777777777777" "AAAAAAAAAAAAAAAA" "000ABAAA000ABAAA" "AAAAAAAAAABAAAAA"
    "AABABBBA00000000" "AAAAAAAAAAAAAAAA" "AAAAAAAAAAAAAAAA" "AAAAAAAAAAAAAAAA")]

# Numbers of tables, the upper part of an instruction's class.
TABLE_1, TABLE_0F, TABLE_0F38, TABLE_0F3A, VEX, EVEX, XOP, TABLE_BAD = 0, 1, 2, 3, 4, 12, 20, 31
PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3))


class More(Exception):
    """A byte must be known that is not; its kind is given."""


class Bad(Exception):
    """No instruction begins so."""


class Instruction:
    """Counts of bytes of each part: prefix, opcode, ModRM, SIB, displacement, immediate, second one."""

    def __init__(self, data, start, limit):
        """Reads what begins at `start`; looks at nothing at or behind `limit`.

        Raises `More` or `Bad` unless the bytes before `limit` decide the layout.
        """
        self.data, self.start, self.place, self.limit = data, start, start, limit
        self.prefix = self.opcode = self.modrm = self.sib = 0
        self.displacement = self.immediate = self.second = 0
        self.is_bad = self.is_relative = False
        self.branch = kinds.NONE
        self.identity = 0
        self.is_operand16 = self.is_address32 = self.is_f2 = self.is_wide = False
        if limit > start:
            self.read()
        else:
            raise More(kinds.OPCODE)

    def next(self, kind):
        if self.place >= self.limit:
            raise More(kind)
        self.place += 1
        return self.data[self.place - 1]

    @property
    def count(self):
        return (self.prefix + self.opcode + self.modrm + self.sib + self.displacement + self.immediate
                + self.second)

    @property
    def displacement_offset(self):
        return self.prefix + self.opcode + self.modrm + self.sib

    @property
    def immediate_offset(self):
        return self.displacement_offset + self.displacement

    @property
    def reference(self):
        """The kind of the field that is relative to the end of the instruction, or NONE."""
        if not self.is_relative:
            return self.branch
        return {0: kinds.RIP0, 1: kinds.RIP1, 2: kinds.RIP2}.get(self.immediate + self.second, kinds.RIP4)

    @property
    def reference_offset(self):
        if self.is_relative:
            return self.displacement_offset
        return self.count if self.branch == kinds.NONE else self.immediate_offset

    def kinds(self):
        """The kind of each byte, with marks."""
        parts = [(self.prefix, kinds.PREFIX, 0),
                 (self.opcode, kinds.BAD if self.is_bad else kinds.OPCODE, 0),
                 (self.modrm, kinds.MODRM, 0), (self.sib, kinds.SIB, 0)]
        kind = kinds.DISPLACEMENT8 if self.displacement == 1 else kinds.DISPLACEMENT32
        parts.append((self.displacement, self.reference if self.is_relative else kind, FIRST))
        kind = {1: kinds.IMMEDIATE8, 2: kinds.IMMEDIATE16, 4: kinds.IMMEDIATE32}.get(
            self.immediate, kinds.IMMEDIATE64)
        parts.append((self.immediate, self.branch or kind, FIRST))
        parts.append((self.second, kinds.IMMEDIATE8, FIRST))
        result = bytearray()
        for count, kind, mark in parts:
            result += bytes([kind]) * count
            if count:
                result[-count] |= mark
        result[0] |= START
        return result

    def read(self):
        had_rex = False
        while True:
            byte = self.next(kinds.OPCODE)
            if ONE_BYTE[byte] != SPECIAL:
                return self.operands(TABLE_1, byte, ONE_BYTE[byte])
            is_rex = 0x40 <= byte <= 0x4F
            if not is_rex and byte not in PREFIXES:
                self.prefix = self.place - self.start - 1
                return self.special(byte)
            if had_rex:
                raise Bad
            had_rex = is_rex
            if is_rex:
                self.is_wide = byte & 8 != 0
            self.is_operand16 |= byte == 0x66
            self.is_address32 |= byte == 0x67
            self.is_f2 |= byte == 0xF2
            self.prefix = self.place - self.start

    def special(self, byte):
        if byte == 0x0F:
            self.two_byte()
        elif byte == 0xC5:
            self.next(kinds.PREFIX)
            self.is_operand16 = False
            self.vector(VEX, 1)
        elif byte == 0xC4:
            first = self.next(kinds.PREFIX)
            self.next(kinds.PREFIX)
            self.is_operand16 = False
            self.vector(VEX, first & 0x1F)
        elif byte == 0x62:
            first = self.next(kinds.PREFIX)
            second = self.next(kinds.PREFIX)
            self.next(kinds.PREFIX)
            self.is_operand16 = first & 7 == 4 and second & 3 == 1
            self.is_wide = second & 0x80 != 0
            self.vector(EVEX, first & 7)
        elif byte == 0x8F:
            self.pop_or_xop()
        elif byte == 0xD5:
            self.rex2()
        else:
            raise Bad

    def two_byte(self):
        opcode = self.next(kinds.OPCODE)
        form = TWO_BYTE[opcode]
        if form != SPECIAL:
            self.operands(TABLE_0F, opcode, form)
        elif opcode & 0xFC == 0x20:
            # MOV to or from a control or debug register: ModRM never asks for an address.
            self.opcode = self.place - self.start - self.prefix
            modrm = self.next(kinds.MODRM)
            self.identity = TABLE_0F << 16 | opcode << 8 | modrm & 0xC7
            self.modrm = 1
        elif opcode == 0x38:
            self.operands(TABLE_0F38, self.next(kinds.OPCODE), MODRM)
        elif opcode == 0x3A:
            self.operands(TABLE_0F3A, self.next(kinds.OPCODE), MODRM_BYTE)
        else:
            raise Bad

    def payload_opcode(self):
        """An opcode behind a payload, all of which counts as prefix."""
        self.prefix = self.place - self.start
        return self.next(kinds.OPCODE)

    def vector(self, base, number):
        if not 1 <= number <= 7:
            raise Bad
        opcode = self.payload_opcode()
        if base == EVEX and number == 4:
            form = promoted_form(opcode)
        else:
            form = vector_form(opcode, number)
        if form == SPECIAL:
            raise Bad
        self.operands(base + number, opcode, form)

    def pop_or_xop(self):
        before = self.place
        first = self.next(kinds.MODRM)
        if first & 0x38 == 0:
            self.place = before
            return self.operands(TABLE_1, 0x8F, MODRM)
        number = first & 0x1F
        if not 8 <= number <= 10:
            raise Bad
        self.next(kinds.PREFIX)
        opcode = self.payload_opcode()
        self.is_operand16 = False
        form = {8: MODRM_BYTE, 9: MODRM, 10: MODRM_FULL}[number]
        self.operands(XOP + number - 8, opcode, form)

    def rex2(self):
        payload = self.next(kinds.PREFIX)
        opcode = self.payload_opcode()
        self.is_wide = payload & 8 != 0
        self.is_address32 = False
        is_two_byte = payload & 0x80 != 0
        form = rex2_form_0f(opcode) if is_two_byte else rex2_form(opcode)
        if form == SPECIAL:
            raise Bad
        self.operands(TABLE_0F if is_two_byte else TABLE_1, opcode, form)

    def operands(self, table, opcode, form):
        """What stands behind the opcode, whose last byte was just read."""
        self.opcode = self.place - self.start - self.prefix
        self.identity = table << 16 | opcode << 8
        full = 2 if self.is_operand16 and not self.is_wide else 4
        if form < MODRM:
            return self.immediates(form, full)
        modrm = self.next(kinds.MODRM)
        if table == TABLE_1 and not is_assigned(opcode, modrm):
            raise Bad
        self.identity |= modrm & 0xC7
        self.modrm = 1
        if form == MODRM_BYTE or form == TEST_BYTE and modrm & 0x30 == 0:
            self.immediate = 1
        elif form == MODRM_FULL:
            self.immediate = full
            # XBEGIN.
            if modrm == 0xF8 and full == 4 and self.identity >> 8 == 0xC7:
                self.branch = kinds.RELATIVE32
        elif form == TEST_FULL and modrm & 0x30 == 0:
            self.immediate = full
        elif form == MODRM_TWO_BYTES and (self.is_operand16 or self.is_f2):
            self.immediate = self.second = 1
        self.address(modrm)

    def immediates(self, form, full):
        if form == BYTE:
            self.immediate = 1
        elif form == WORD:
            self.immediate = 2
        elif form == FULL:
            self.immediate = full
        elif form == WIDE:
            self.immediate = 8 if self.is_wide else full
        elif form == ADDRESS:
            if self.is_address32:
                self.displacement = 4
            else:
                self.immediate = 8
        elif form == BRANCH8:
            self.immediate, self.branch = 1, kinds.RELATIVE8
        elif form == BRANCH32:
            self.immediate, self.branch = 4, kinds.RELATIVE32
        elif form == WORD_AND_BYTE:
            self.immediate, self.second = 2, 1

    def address(self, modrm):
        mode = modrm >> 6
        if mode == 3:
            return
        self.displacement = {0: 0, 1: 1, 2: 4}[mode]
        if modrm & 7 == 4:
            self.sib = 1
            if self.next(kinds.SIB) & 7 == 5 and mode == 0:
                self.displacement = 4
        elif mode == 0 and modrm & 7 == 5:
            self.displacement = 4
            self.is_relative = True


def is_assigned(opcode, modrm):
    """Whether a one-byte opcode is assigned with this ModRM: what data among code brings up often."""
    if opcode == 0x8D:
        return modrm < 0xC0
    if opcode in (0xC6, 0xC7):
        return modrm & 0x38 == 0 or modrm == 0xF8
    if opcode == 0xFE:
        return modrm & 0x30 == 0
    if opcode == 0xFF:
        is_far = modrm & 0x28 == 0x28 or modrm & 0x38 == 0x18
        return modrm & 0x38 != 0x38 and (modrm < 0xC0 or not is_far)
    return True


def vector_form(opcode, number):
    if number == 1:
        if opcode == 0x77:
            return PLAIN
        if opcode & 0xFC == 0x78:
            return MODRM
        return TWO_BYTE[opcode] if TWO_BYTE[opcode] >= MODRM else SPECIAL
    return {2: MODRM, 5: MODRM, 6: MODRM, 3: MODRM_BYTE, 7: MODRM_FULL}.get(number, SPECIAL)


def promoted_form(opcode):
    if opcode in (0x24, 0x2C):
        return MODRM_BYTE
    return max(ONE_BYTE[opcode], MODRM)


def rex2_form(opcode):
    if opcode == 0x8F:
        return MODRM
    if opcode == 0xA1:
        return ADDRESS
    return SPECIAL if opcode >> 4 in (4, 7, 10, 14) else ONE_BYTE[opcode]


def rex2_form_0f(opcode):
    if opcode & 0xFC == 0x20:
        return MODRM
    return SPECIAL if opcode >> 4 in (3, 8) else TWO_BYTE[opcode]


def instruction(data, start, end):
    """The instruction at `start` that ends at or before `end`; a bad one of one byte if there is none."""
    limit = min(end - start, MOST_BYTES)
    try:
        found = Instruction(data, start, start + limit)
        if found.count <= limit:
            return found
    except (More, Bad):
        pass
    bad = Instruction.__new__(Instruction)
    bad.prefix = bad.modrm = bad.sib = bad.displacement = bad.immediate = bad.second = 0
    bad.opcode, bad.is_bad, bad.is_relative, bad.branch = 1, True, False, kinds.NONE
    bad.identity = TABLE_BAD << 16
    return bad


def kind_of_next(data, start, count):
    """The kind of the byte behind `count` bytes of an instruction; None when they are a whole one."""
    if count >= MOST_BYTES:
        return None
    if count == 0:
        return kinds.OPCODE
    try:
        found = Instruction(data, start, start + count)
    except More as more:
        return more.args[0]
    except Bad:
        return None
    if count >= found.count or found.count > MOST_BYTES:
        return None
    return found.kinds()[count] & 0x3F
