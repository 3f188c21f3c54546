"""Bytes that no cover has: plain ones, x86-64 instructions, instruction words (docs/format.md, "Delta codec 1:
new code, words and data; rehearsal")."""
import kinds
import prior
from fields_x86 import instruction, kind_of_next
from layout import MASK64, little
from models import GOLDEN, MIX, ByteModel, FlagModel, context, mix, start
from registers import WordRegisters

# Matches count as at most so long.
LENGTH_LIMIT = 31
MATCH_ORDER = 5
# How far back a match of plain bytes is looked at; bytes that one flag can stand for, from which length on.
LOOKED_AT = 32
RUN, SURE_LENGTH = 64, 32
INSTRUCTION_FIRST = {3: 16, 2: 6}
WORD_FIRST = {3: 4, 2: 1}
TWO_FACTOR = 0x2545F4914F6CDD1D


def at(data, offset):
    return data[offset] if 0 <= offset < len(data) else 0


def bucket(length, longer):
    """0 without a match, 1 to 3 by its length."""
    if length == 0:
        return 0
    return 1 if length < longer else 2 if length < LENGTH_LIMIT else 3


class TextWalk:
    """Lines, their fields, and words."""

    def __init__(self):
        # Where the line in progress and the one before it start.
        self.line, self.before = 0, -1
        self.field = self.field_hash = self.word = self.word_before = 0

    def add(self, byte, place):
        if byte == 0x0A:
            self.before, self.line = self.line, place + 1
            self.field = self.field_hash = 0
        elif byte in b"\t ,:;":
            self.field += 1
            self.field_hash = 0
        else:
            self.field_hash = (self.field_hash ^ byte + 1) * GOLDEN & MASK64
        if 0x61 <= byte | 0x20 <= 0x7A or byte >= 0x80:
            self.word = (self.word ^ byte + 1) * GOLDEN & MASK64
        elif self.word:
            self.word_before, self.word = self.word, 0

    def above(self, place, target):
        """The byte above, and what it is if the number that it is a digit of is one higher now."""
        spot = self.before + place - self.line
        if self.before < 0 or spot >= self.line:
            return 0, 0
        byte = at(target, spot)
        if not 0x30 <= byte <= 0x39:
            return byte, byte
        nines = 0
        spot += 1
        while spot < self.line and at(target, spot) == 0x39 and nines < 16:
            spot += 1
            nines += 1
        if 0x30 <= at(target, spot) <= 0x39:
            return byte, byte
        return byte, 0x30 if byte == 0x39 else byte + 1


class NoteWalk:
    """The records of a section of notes, to find a build's id."""

    def __init__(self, place):
        self.next = place
        self.digest = range(0)

    def is_digest(self, place, target):
        while self.next + 16 <= place:
            name, count, kind, text = (little(target, self.next + 4 * index, 4) for index in range(4))
            body = self.next + 12 + (name + 3 & ~3)
            is_id = kind == 3 and name == 4 and text == 0x554E47
            self.digest = range(body, body + count) if is_id else range(0)
            self.next = body + (count + 3 & ~3)
        return place in self.digest


DIGITS = b"0123456789abcdef"


def hash_digits(place, target):
    """How many digits of a hash stand before `place`, or None if what comes there is none."""
    count = 0
    while count < 16 and at(target, place - 1 - count) in DIGITS:
        count += 1
    end = place - count
    return count if count < 16 and bytes(at(target, end - back) for back in (3, 2, 1)) == b"17h" else None


def hash_has_changed(place, target, old, base):
    count = hash_digits(place, target) or 0
    return any(at(target, place - 1 - index) != at(base, old - 1 - index) for index in range(count))


class PlainModel:
    def __init__(self, coder, table, bits, base, ranges):
        self.coder, self.table, self.base = coder, table, base
        self.bytes = ByteModel(128, 23, prior.NEW_DATA)
        self.run_flags = FlagModel(10, 1, 3, prior.RUNS)
        self.runs = self.next_run = 0
        self.text = TextWalk()
        self.shift = 64 - bits
        # For a hash of five bytes where they were last seen: in the base, or behind it in the target.
        self.places = {}
        self.match = self.matched = 0
        for part in ranges:
            for place in part[MATCH_ORDER:]:
                self.places[self.slot(base, place)] = place

    def slot(self, data, end):
        value = little(data, end - 4, 4) << 8 | at(data, end - 5)
        return value * GOLDEN % (1 << 64) >> self.shift

    def interrupt(self):
        self.matched = self.next_run = 0

    def run(self, place, end, target):
        """Whether the bytes from `place` on go on as where the match is; if so, writes them."""
        size = len(self.base)
        if (self.matched < SURE_LENGTH or place < self.next_run or end - place < RUN
                or self.match < size < self.match + RUN):
            return False
        contexts = [context(57, self.runs & 15), context(58, self.matched.bit_length()), start(59)]
        goes_on = self.run_flags.code(self.coder, contexts, 0)
        self.runs = self.runs << 1 & 15 | goes_on
        if not goes_on:
            self.next_run = place + RUN
            return False
        for index in range(place, place + RUN):
            byte = self.base[self.match] if self.match < size else at(target, self.match - size)
            target[index] = byte
            self.text.add(byte, index)
            self.match += 1
        self.matched += RUN
        return True

    def byte(self, place, role, period, offset, guess, call_frame, diagonal, target):
        self.find_match(place, target)
        base = self.base
        expected = 0
        if self.matched:
            expected = (base[self.match] if self.match < len(base)
                        else at(target, self.match - len(base)))
        length = min(self.matched, LENGTH_LIMIT)
        result = self.new_byte(place, role, period, offset, guess, call_frame, diagonal, expected,
                               length, target)
        if self.matched and result == expected:
            self.match += 1
            self.matched += 1
        else:
            self.matched = 0
        self.text.add(result, place)
        return result

    def new_byte(self, place, role, period, offset, guess, call_frame, diagonal, expected, length,
                 target):
        base = self.base
        word = little(target, place - 4, 4)
        one = word >> 24
        column = offset % period
        above, above_that = at(target, place - period), at(target, place - 2 * period)
        above_left = at(target, place - period - 1)
        beside = at(base, place + diagonal)
        text = self.text
        line, counted = text.above(place, target)
        contexts = [
            context(60, role << 8 | column),
            context(61, one, role),
            context(62, word >> 16),
            context(63, word >> 8),
            context(64, word),
            context(65, word, at(target, place - 5) << 8 | at(target, place - 6)),
            context(66, expected << 8 | length),
            context(67, expected << 8 | one, min(length, 3)),
            context(68, above << 8 | column),
            context(69, above << 16 | one << 8 | above_left, column),
            context(70, 2 * above - above_that & 255, column),
            context(71, beside << 8 | one),
            context(72, beside << 8 | at(base, place + diagonal + 1), length),
            context(73, column << 8 | one, role),
            context(74, guess << 8 | column, role),
            context(75, line, min(place - text.line, 255)),
            context(76, line << 8 | one, counted),
            context(77, counted),
            context(78, text.field, text.field_hash),
            context(79, text.word, one),
            context(56, text.word, text.word_before),
            context(54, call_frame[0]),
            context(55, call_frame[1], one),
        ]
        return self.bytes.code(self.coder, contexts, role << 2 | bucket(length, 16), self.table)

    def find_match(self, place, target):
        if place < MATCH_ORDER:
            return
        slot = self.slot(target, place)
        if self.matched == 0 and self.places.get(slot, 0):
            self.match = self.places[slot]
            is_old = self.match < len(self.base)
            data, end = (self.base, self.match) if is_old else (target, self.match - len(self.base))
            while (self.matched < min(LOOKED_AT, end, place)
                   and data[end - 1 - self.matched] == target[place - 1 - self.matched]):
                self.matched += 1
        self.places[slot] = len(self.base) + place


class History:
    """What came before an x86-64 instruction, references left out."""

    def __init__(self):
        # Hashes of the last three instructions and classes of the last two, the last one first.
        self.masked = (0, 0, 0)
        self.classes = (0, 0)
        self.restart()

    def restart(self):
        self.so_far = self.masked_so_far = self.opcode = self.count = 0

    def add(self, byte, is_masked=False):
        self.so_far = self.step(self.so_far, byte)
        self.masked_so_far = self.step(self.masked_so_far, 256 if is_masked else byte)
        if self.count < 3:
            self.opcode = self.opcode << 8 | byte
        self.count += 1

    @staticmethod
    def step(hash, byte):
        mixed = (hash ^ byte + 1) * GOLDEN & MASK64
        return mixed ^ mixed >> 29

    def finish(self, instruction_class):
        self.masked = (self.masked_so_far, *self.masked[:2])
        self.classes = (instruction_class, self.classes[0])
        self.restart()

    def add_instruction(self, found, data, place):
        """A whole instruction; wide references are left out, short ones masked."""
        reference, field = found.reference, found.reference_offset
        for offset in range(found.count):
            if reference in kinds.WIDE_REFERENCES and field <= offset < field + 4:
                continue
            self.add(data[place + offset], reference == kinds.RELATIVE8 and offset == field)
        self.finish(found.identity)


class InstructionModel:
    def __init__(self, coder, table, copies, predictor, bits, base):
        self.coder, self.table, self.copies, self.predictor = coder, table, copies, predictor
        self.base = base
        self.bytes = ByteModel(128, 16, prior.NEW_CODE)
        self.shift = 64 - bits
        # Where in the target the last three or two instructions were last seen.
        self.followers = {3: {}, 2: {}}
        self.history = History()
        self.start = 0
        self.match = self.matched = 0

    def slot(self, count, history):
        one, two, three = history.masked
        value = one ^ two * TWO_FACTOR
        if count == 3:
            value ^= three * MIX
        return (value & MASK64) * GOLDEN % (1 << 64) >> self.shift

    def insert(self, history, place):
        for count in (3, 2):
            self.followers[count][self.slot(count, history)] = place

    def begin(self, data, start, place, history, is_rehearsal=False):
        """Starts at `place`, with the instructions before; the one in progress began at `start`."""
        self.history = history
        self.start = start
        self.matched = 0
        for index in range(start, place):
            history.add(at(data, index))
        if start == place and not is_rehearsal:
            self.find_match(place)

    def find_match(self, place):
        if self.matched == 0:
            for count in (3, 2):
                found = self.followers[count].get(self.slot(count, self.history), 0)
                if found:
                    self.match, self.matched = found, INSTRUCTION_FIRST[count]
                    break
        self.insert(self.history, place)

    def code(self, place, end, slide, diagonal, target, is_rehearsal=False):
        """What comes next at `place`: a byte, or the four of a reference; returns (value, count).

        In a rehearsal `target` is the base, and holds what is coded.
        """
        kind = kinds.OPCODE
        if place > self.start:
            following = kind_of_next(target, self.start, place - self.start)
            if following is None:
                self.history.finish(instruction(target, self.start, place).identity)
                self.start = place
                if not is_rehearsal:
                    self.find_match(place)
            else:
                kind = following
        if kind in kinds.WIDE_REFERENCES and place + 4 <= end:
            return self.reference(kind, place, slide, target if is_rehearsal else None), 4
        expected = at(target, self.match) if self.matched else 0
        byte = self.byte(kind, place, diagonal, expected, target, target[place] if is_rehearsal else None)
        self.history.add(byte, kind == kinds.RELATIVE8)
        self.follow(kind, byte == expected)
        return byte, 1

    def follow(self, kind, hit):
        if self.matched == 0:
            return
        self.match += 1
        if hit:
            self.matched += 1
        elif kind in (kinds.IMMEDIATE8, kinds.DISPLACEMENT8, kinds.RELATIVE8, kinds.DISPLACEMENT32,
                      kinds.IMMEDIATE32):
            self.matched = max(1, self.matched >> 1)
        else:
            self.matched = 0

    def byte(self, kind, place, diagonal, expected, target, known):
        word = little(target, place - 4, 4)
        one = word >> 24
        history = self.history
        length = min(self.matched, LENGTH_LIMIT)
        begin = context(80, kind)
        after = mix(begin, history.so_far)
        first, second = history.classes
        beside = at(self.base, place + diagonal)
        contexts = [
            after,
            mix(after, first),
            mix(after, first, second),
            mix(begin, one),
            mix(begin, word >> 16),
            mix(begin, word >> 8),
            mix(begin, word),
            mix(begin, expected << 8 | length),
            mix(begin, expected << 8 | one, min(length, 1)),
            mix(after, history.masked[0]),
            mix(after, history.masked[0] ^ history.masked[1] * 3),
            mix(begin, history.opcode),
            mix(begin, beside << 8 | one),
            mix(begin, first, second),
            mix(begin, history.opcode, first, one),
            mix(after, first, expected),
        ]
        what = (kind & 31) << 2 | bucket(length, 16)
        return self.bytes.code(self.coder, contexts, what, self.table, known)

    def reference(self, kind, place, slide, known):
        """A reference, by the address that it names."""
        origin = place + slide + 4 + kinds.TRAILING.get(kind, 0) & MASK64
        address = None
        if known is not None:
            old = self.predictor.fields.target(place, kind)
            if old is None:
                return little(known, place, 4)
            address = self.predictor.map.mapped(old)[0] & 0xFFFFFFFF
        coded = self.copies.number(origin & MASK64, 4, 0, self.history.opcode, address)
        if self.matched:
            self.match += 4
            self.matched = max(1, self.matched >> 1)
        return coded - origin & 0xFFFFFFFF


class WordModel:
    def __init__(self, coder, table, words, bits, base):
        self.coder, self.table, self.words = coder, table, words
        self.base = base
        self.bytes = ByteModel(64, 13, prior.WORDS)
        self.shift = 64 - bits
        self.followers = {3: {}, 2: {}}
        self.match = self.matched = 0
        # What became of the registers of the words along the match.
        self.registers = WordRegisters()

    def slots(self, data, place):
        """Where what follows the last three and two words is noted, addresses left out."""
        one, two, three = (self.words.masked(little(data, place - distance, 4)) for distance in (4, 8, 12))
        both = (one << 32 | two) * GOLDEN & MASK64
        return {3: ((both ^ three) * MIX & MASK64) >> self.shift, 2: both >> self.shift}

    def insert(self, slots, place):
        for count in (3, 2):
            self.followers[count][slots[count]] = place

    def interrupt(self):
        self.matched = 0

    def inserted(self, place, slide, diagonal, target, is_rehearsal=False):
        """The word at `place` of the target, which no cover has."""
        if not is_rehearsal:
            slots = self.slots(target, place)
            for count in (3, 2):
                found = self.followers[count].get(slots[count], 0)
                if self.matched == 0 and found:
                    self.match, self.matched = found, WORD_FIRST[count]
                    self.registers = WordRegisters()
            self.insert(slots, place)
        address = place + slide & MASK64
        given = little(target, self.match, 4) if self.matched else 0
        shifts = self.words.registers(given)
        expected = self.registers.renamed(given, shifts) if self.matched else 0
        result = self.word(expected, little(self.base, place + diagonal, 4),
                           min(self.matched, LENGTH_LIMIT), place, address, target,
                           little(target, place, 4) if is_rehearsal else None)
        if self.matched:
            self.match += 4
            is_renaming = bool(shifts) and self.registers.same_but_registers(given, result, shifts)
            if is_renaming:
                self.registers.rename(given, result, shifts)
            if result == expected:
                self.matched += 1
            elif is_renaming or self.words.masked(result) == self.words.masked(expected):
                self.matched = max(1, self.matched >> 1)
            else:
                self.matched = 0
        return result

    def with_address(self, word, address, sign=1):
        """`word` with the address that an A64 B or BL names, in words, in the place of its distance."""
        if not self.words.is_arm or word & 0x7C000000 != 0x14000000:
            return word
        return word & 0xFC000000 | word + sign * (address >> 2) & 0x03FFFFFF

    def word(self, expected, beside, length, place, address, target, known=None):
        """A word that may be `expected` and stands where the base has `beside`."""
        plain = None if known is None else self.with_address(known, address)
        guess = self.with_address(expected, address)
        side = self.with_address(beside, address)
        one, two = little(target, place - 4, 4), little(target, place - 8, 4)
        first, second = self.words.instruction_class(one), self.words.instruction_class(two)
        masked = self.words.masked(one)
        what = 0 if length == 0 else 1 if length < 4 else 2 if length < LENGTH_LIMIT else 3
        result = 0
        is_equal, is_beside = length > 0, True
        for index in range(4):
            shift = 24 - 8 * index
            foretold, other = guess >> shift & 255, side >> shift & 255
            begin = context(120, index)
            above = mix(begin, result)
            contexts = [
                mix(begin, foretold << 8 | (length + 1 if is_equal else 0)),
                above,
                mix(above, first),
                mix(above, first, second),
                mix(above, foretold, is_equal),
                mix(above, one & 0x3FF),
                mix(begin, one >> shift & 255, result & 255),
                mix(above, masked),
                mix(above, masked, self.words.masked(two)),
                mix(above, (one & 31) << 5 | two & 31, first),
                mix(begin, other << 1 | is_beside),
                mix(begin, two >> shift & 255, result & 255),
                mix(begin, result & 255, first),
            ]
            kind = index << 4 | what << 2 | is_equal << 1 | is_beside
            byte = self.bytes.code(self.coder, contexts, kind, self.table,
                                   None if plain is None else plain >> shift & 255)
            result = result << 8 | byte
            is_equal = is_equal and byte == foretold
            is_beside = is_beside and byte == other
        return self.with_address(result, address, sign=-1)
