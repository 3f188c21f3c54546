"""What the fields of the base become in the target (docs/format.md, "Delta codec 1: prediction of fields")."""
import kinds
from layout import MASK64, little, signed
from models import GOLDEN
from registers import RENAMED, WordRegisters, reference_registers

CANDIDATES = 4
CHANGE_BITS = 13
FUNCTION_ALIGNMENT = 16
LONGEST_RECORD = 0xFFFFFFF0
# Positions in tables are looked at below this.
PLACE_LIMIT = 1 << 40


VALUES = (*kinds.CONSTANTS, *kinds.PLAIN_WORDS, kinds.RELATIVE_BITMAP)
RELATIVE = (kinds.RELATIVE8, *kinds.WIDE_REFERENCES)
# References that teach nothing about where addresses went.
UNLEARNED = (kinds.RELATIVE8, kinds.ARM_BRANCH19, kinds.ARM_BRANCH14, kinds.ARM_ADR, kinds.LOONG_BRANCH16,
             kinds.LOONG_BRANCH21, kinds.RISC_BRANCH, kinds.RISC_SHORT_BRANCH, kinds.RISC_SHORT_JUMP,
             kinds.CODE_RANGE, kinds.SYMBOL_SIZE)
PAGES = (kinds.ARM_ADRP, kinds.LOONG_PAGE, kinds.RISC_PAGE)
LOW_HALVES = (kinds.ARM_LOW12, kinds.LOONG_LOW12, kinds.RISC_LOW12I, kinds.RISC_LOW12S)
FAR_BRANCHES = (kinds.ARM_BRANCH26, kinds.LOONG_BRANCH26, kinds.RISC_JUMP)


class Prediction:
    """Different values that a field may have become, likeliest first."""

    def __init__(self, kind, old):
        self.kind, self.old = kind, old
        self.candidates = []
        # The address that the field named, how it was mapped, and what added to the value gives it.
        self.address = self.source = self.origin = 0
        self.is_reference = False

    def add(self, value):
        if len(self.candidates) < CANDIDATES and value not in self.candidates:
            self.candidates.append(value)

    def note(self, address, source):
        self.address, self.source, self.is_reference = address, source, True

    @property
    def risk(self):
        """How unsure a reference is, 0 to 3, by its source."""
        return (0, 3, 2, 3, 1, 2)[self.source]


class ValueChanges(WordRegisters):
    """How constants change: each as it changed last time, or by as much as the one before."""

    def __init__(self):
        super().__init__()
        self.entries = {}
        self.last_change = [0] * kinds.COUNT
        self.has_changed = [False] * kinds.COUNT

    @staticmethod
    def slot(kind, value):
        return (value * 64 + kind) * GOLDEN % (1 << 64) >> 64 - CHANGE_BITS

    def predict(self, result):
        kind, old = result.kind, result.old
        known = self.entries.get(self.slot(kind, old))
        if known is not None and known[:2] == (kind, old):
            result.add(known[2])
        if kind in RENAMED:
            result.add(old)
            result.add(self.renamed(old, RENAMED[kind](old)))
        if kind not in kinds.CONSTANTS:
            return
        moved = old + self.last_change[kind] & 0xFFFFFFFF
        if self.has_changed[kind]:
            result.add(moved)
        result.add(old)
        result.add(moved)

    def learn(self, kind, old, new):
        if kind not in kinds.CONSTANTS and kind not in kinds.PLAIN_WORDS:
            return
        slot = self.slot(kind, old)
        if old != new or self.entries.get(slot, ())[:2] == (kind, old):
            self.entries[slot] = (kind, old, new)
        if kind in RENAMED:
            # Words that differ in more than registers say nothing about these.
            shifts = RENAMED[kind](old)
            if self.same_but_registers(old, new, shifts):
                self.rename(old, new, shifts)
        if kind in kinds.CONSTANTS:
            self.has_changed[kind] = old != new
            if old != new:
                self.last_change[kind] = new - old


class CallFrameWalk:
    """Follows the call frame instructions of an FDE while they are decoded."""

    # How many operands follow, all of them LEB128 or one of so many bytes.
    OPERANDS = ({operation: 1 for operation in (*range(0x80, 0xC0), 6, 7, 8, 0x0D, 0x0E, 0x12, 0x13, 0x2E)}
                | {operation: 2 for operation in (5, 9, 0x0C, 0x14, 0x2F)})
    STEPS = {2: 1, 3: 2, 4: 4}

    def __init__(self):
        self.record = -1
        self.restart()

    def restart(self):
        # Where the next byte stands, behind an augmentation that may not be passed yet.
        self.next = self.record + 17
        self.is_skipped = False
        # The instruction whose operands come next and how many are left; the last two instructions.
        self.operation = self.left = self.last = self.before = 0

    @property
    def state(self):
        return self.operation << 32 | self.last << 16 | self.before

    @property
    def short_state(self):
        return self.operation << 16 | self.last

    def advance(self, place, target, record):
        if record != self.record:
            self.record = record
            self.restart()
        if self.next < place and not self.is_skipped:
            self.is_skipped = True
            if little(target, self.record + 4, 4):
                self.next += little(target, self.next - 1, 1)
        while self.next < place:
            self.add(little(target, self.next, 1))
            self.next += 1

    def add(self, byte):
        is_step = (self.operation or byte) in self.STEPS or (self.operation or byte) >> 6 == 1
        if self.operation:
            if self.operation in self.STEPS or byte < 0x80:
                self.left -= 1
            if not is_step:
                self.last = self.last & 0xFF00 | byte
            if self.left == 0:
                self.operation = 0
            return
        self.left = self.OPERANDS.get(byte, self.STEPS.get(byte, 0))
        if self.left:
            self.operation = byte
        if not is_step:
            self.before, self.last = self.last, byte << 8


class FrameWalk:
    """Follows the records of .eh_frame while they are decoded."""

    def __init__(self, start):
        self.record = start
        self.common = None
        # Address where the code of the last FDE ends.
        self.end = 0

    def copy(self):
        other = FrameWalk(self.record)
        other.common, other.end = self.common, self.end
        return other

    def advance(self, place, target, slide):
        while self.record + 4 <= place:
            length = little(target, self.record, 4)
            following = self.record + 4 + (length if length < LONGEST_RECORD else 0)
            if following > place:
                return
            if 12 <= length < LONGEST_RECORD:
                if little(target, self.record + 4, 4) == 0:
                    self.common = self.record
                else:
                    begin = self.record + 8 + slide + signed(little(target, self.record + 8, 4), 32)
                    self.end = begin + little(target, self.record + 12, 4) & MASK64
            self.record = following

    def expected(self, offset, slide):
        """The word at `offset` of the record in progress, as far as it follows from those before."""
        if offset == 4 and self.common is not None:
            return self.record + 4 - self.common
        if offset == 8:
            following = (self.end + FUNCTION_ALIGNMENT - 1 & MASK64) & ~(FUNCTION_ALIGNMENT - 1)
            return following - slide - (self.record + 8) & 0xFFFFFFFF
        return None


class Predictor:
    def __init__(self, map, fields, base):
        self.map, self.fields, self.base = map, fields, base
        self.values = ValueChanges()
        # By kind, how far the last reference was moved that stood in a block with differences.
        self.shifts = [0] * kinds.COUNT
        self.frames = FrameWalk(0)
        # What has to be added to a place of the unit in progress to get its address.
        self.slide = 0

    def predict(self, kind, old, place, target):
        """What may have become of the field at `old`, which stands at `place` of `target`."""
        result = Prediction(kind, little(self.base, old, kinds.WIDTHS[kind]))
        if kind in VALUES:
            self.values.predict(result)
        elif kind in RELATIVE:
            self.relative(old, place, result)
        elif kind in (kinds.ADDRESS64, kinds.RELATIVE_RELOCATION):
            self.absolute(result)
        elif kind == kinds.RELATIVE_ADDRESS32:
            self.relative_address(old, place, target, result)
        elif kind == kinds.JUMP_TABLE_ENTRY:
            self.jump_table_entry(old, result)
        elif kind == kinds.CODE_RANGE:
            self.code_range(old, place, target, result)
        elif kind == kinds.SYMBOL_SIZE:
            self.symbol_size(old, place, target, result)
        elif kind == kinds.STRING_OFFSET:
            self.linked_entry(old, 1, result)
        elif kind == kinds.SYMBOL_INDEX:
            self.linked_entry(old, 24, result)
        elif kind == kinds.PLT_INDEX:
            self.plt_index(old, place, result)
        elif kind == kinds.COMMON_ENTRY_POINTER:
            self.common_entry(old, place, result)
        elif kind == kinds.SECTION_SIZE:
            self.section_size(result)
        else:
            self.word(old, place, result)
        result.add(result.old)
        return result

    def learn(self, prediction, actual, place):
        kind = prediction.kind
        self.values.rename(prediction.old, actual, reference_registers(kind, prediction.old))
        if not prediction.is_reference:
            self.values.learn(kind, prediction.old, actual)
            return
        found = self.address(prediction, actual, place)
        if found is not None:
            self.shifts[kind] = found - prediction.address
        if actual == prediction.candidates[0] or kind in UNLEARNED:
            return
        if kind in PAGES or kind in LOW_HALVES:
            self.learn_half(prediction, actual, place)
        elif found is not None:
            self.map.learn(prediction.address, found)

    def address(self, prediction, actual, place):
        """The address that a field of value `actual` names, or None where that is not known."""
        kind = prediction.kind
        if kind in (kinds.ADDRESS64, kinds.RELATIVE_RELOCATION):
            return actual
        if kind in (*kinds.WIDE_REFERENCES, kinds.RELATIVE_ADDRESS32, kinds.JUMP_TABLE_ENTRY):
            return prediction.origin + signed(actual, 32) & MASK64
        if kind in FAR_BRANCHES:
            return self.fields.words.target(kind, actual, self.new_address(place), 0, 0)
        return None

    def learn_half(self, prediction, actual, place):
        """Half of an address: the other half is taken from where the whole was expected."""
        expected = self.map.mapped(prediction.address)[0]
        seen = self.fields.words.target(prediction.kind, actual, self.new_address(place), 0, 0)
        if prediction.kind in PAGES:
            self.map.learn(prediction.address, seen & ~0xFFF | expected & 0xFFF)
            return
        low, page = seen & 0xFFF, expected & ~0xFFF
        candidates = [page | low, page - 4096 & MASK64 | low, page + 4096 & MASK64 | low]
        nearest = min(candidates, key=lambda candidate: abs(signed(candidate - expected, 64)))
        self.map.learn(prediction.address, nearest)

    def new_address(self, place):
        return place + self.slide & MASK64

    def relative(self, old, place, result):
        kind = result.kind
        address = self.fields.target(old, kind)
        if address is None:
            return
        first, second, source = self.map.mapped(address)
        width = kinds.WIDTHS[kind]
        result.note(address, source)
        result.origin = self.new_address(place) + width + kinds.TRAILING.get(kind, 0) & MASK64
        for target in (first, second, address + self.shifts[kind]):
            distance = target - result.origin
            if width == 1 and not -128 <= signed(distance, 64) < 128:
                continue
            result.add(distance & (1 << 8 * width) - 1)

    def absolute(self, result):
        first, second, source = self.map.mapped(result.old)
        result.note(result.old, source)
        result.add(first)
        result.add(second)
        result.add(result.old + self.shifts[kinds.ADDRESS64] & MASK64)

    def relative_address(self, old, place, target, result):
        address = self.fields.target(old, result.kind)
        if address is None:
            return
        first, second, source = self.map.mapped(address)
        result.note(address, source)
        origin = result.origin = self.new_address(place)
        result.add(first - origin & 0xFFFFFFFF)
        self.frames.advance(place, target, self.slide)
        following = self.frames.expected(place - self.frames.record, self.slide)
        if following is not None:
            result.add(following)
        result.add(second - origin & 0xFFFFFFFF)
        result.add(address + self.shifts[result.kind] - origin & 0xFFFFFFFF)

    def jump_table_entry(self, old, result):
        table = self.fields.jump_table_base(old)
        if table is None:
            return
        address = table + signed(result.old, 32) & MASK64
        first, second, source = self.map.mapped(address)
        result.note(address, source)
        result.origin = self.map.mapped(table)[0]
        result.add(first - result.origin & 0xFFFFFFFF)
        result.add(second - result.origin & 0xFFFFFFFF)

    def code_range(self, old, place, target, result):
        """The length of the code of an FDE; its start stands four bytes before and is decoded."""
        if old < 4 or place < 4:
            return
        start = self.fields.target(old - 4, kinds.RELATIVE_ADDRESS32)
        if start is not None:
            distance = signed(little(target, place - 4, 4), 32)
            self.length(start, self.new_address(place - 4) + distance, 0xFFFFFFFF, result)

    def symbol_size(self, old, place, target, result):
        """The size of what a symbol names; its address stands eight bytes before and is decoded."""
        if old >= 8 and place >= 8:
            self.length(little(self.base, old - 8, 8), little(target, place - 8, 8), MASK64, result)

    def length(self, start, new_start, mask, result):
        if result.old == 0:
            return
        last = start + result.old - 1 & MASK64
        first, second, source = self.map.known(last)
        result.note(last, source)
        result.add(first + 1 - new_start & mask)
        result.add(result.old)
        result.add(second + 1 - new_start & mask)

    def linked_entry(self, old, size, result):
        """An entry of the table that is linked with the table of the field."""
        section = self.map.old.section_at_offset(old)
        if section is not None:
            self.entry(self.map.old.sections[section].link, size, result)

    def entry(self, table, size, result):
        """Entry `result.old` of section `table` went where its bytes went."""
        old, new = self.map.old, self.map.new
        if not 0 < table < len(old.sections) or result.old >= PLACE_LIMIT:
            return
        counterpart = self.map.counterparts[table]
        header = old.sections[table]
        if counterpart < 0 or result.old * size >= header.size or header.offset >= PLACE_LIMIT:
            return
        found = self.map.positions.target(header.offset + result.old * size)
        start = new.sections[counterpart].offset
        if found is not None and found >= start:
            result.add((found - start) // size)

    def plt_index(self, old, place, result):
        """Entries of a PLT push their own number."""
        before = self.map.old.section_at_offset(old)
        after = self.map.new.section_at_offset(place)
        if before is None:
            return
        if after is not None:
            moved = (place - self.map.new.owned[after][0]) - (old - self.map.old.owned[before][0])
            result.add(result.old + (moved >> 4) & 0xFFFFFFFF)
        self.entry(self.map.old.plt_relocations(), 24, result)

    def common_entry(self, old, place, result):
        """The distance from an FDE back to its CIE."""
        if old >= result.old:
            found = self.map.positions.target(old - result.old)
            if found is not None and found < place:
                result.add(place - found)

    def section_size(self, result):
        """The size of the first allocated section that had this size."""
        for header, counterpart in zip(self.map.old.sections, self.map.counterparts):
            if header.is_allocated and header.size == result.old and counterpart >= 0:
                result.add(self.map.new.sections[counterpart].size)
                return

    def word(self, old, place, result):
        kind = result.kind
        address = self.fields.target(old, kind)
        if address is None:
            return
        first, second, source = self.map.mapped(address)
        result.note(address, source)
        here = self.new_address(place)
        partner = here + self.fields.partner(old) & MASK64
        for target in (first, second, address + self.shifts[kind]):
            value = self.fields.words.word(kind, result.old, target & MASK64, here, partner)
            if value is not None:
                result.add(value)
        registers = reference_registers(kind, result.old)
        if registers:
            renamed = self.values.renamed(result.old, registers)
            value = self.fields.words.word(kind, renamed, first, here, partner)
            if value is not None:
                result.add(value)
