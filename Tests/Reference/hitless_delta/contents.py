"""The contents of the target, unit by unit (docs/format.md, "Delta codec 1: contents")."""
import derived
import kinds
import layout as elf
import prior
from coder import check
from copies import CopyModel
from fields_tables import MACHINE_X86, FieldMap
from fields_words import SETS
from fields_x86 import MOST_BYTES, instruction
from inserts import (DIGITS, RUN, History, InstructionModel, NoteWalk, PlainModel, WordModel, hash_digits,
                     hash_has_changed)
from layout import MASK64, little
from maps import AddressMap, PositionMap
from models import ContextTable, NumberModel
from predict import CallFrameWalk, FrameWalk, Predictor

# Bytes of a block before it ends with the next field.
BLOCK = 64
# Fewer inserted bytes than this are not worth an index of the base.
INDEXED_INSERTS = 256
# Probability in 1/65536 that a derived table is as derived, and the bytes of its head that are coded.
DERIVED_PROBABILITY = 60000
HASH_HEAD = 16
# Longer tables are not derived.
LONGEST_DERIVED = 2 << 20
# Records of .eh_frame have columns up to this.
FRAME_PERIOD = 32
# Rehearsal: the first radius of windows, bytes for each inserted one, and the limits of the sum.
RADIUS, BYTES_PER_INSERT, LEAST, MOST = 64, 3, 3 << 10, 64 << 10

PERIODS = {elf.RELOCATIONS: 24, elf.SYMBOLS: 24, elf.DYNAMICS: 16, elf.PLT: 16}


class Unit:
    """A section of the target, a part of one, or a gap between sections."""

    def __init__(self, start, end, section, layout):
        self.start, self.end, self.section = start, end, section
        self.role, self.slide, self.period, self.is_derived = elf.GAP, 0, 8, False
        if section is None:
            return
        header = layout.sections[section]
        self.role = layout.role(section)
        self.slide = layout.address_of(section) - header.offset & MASK64
        self.period = (header.entry_size if 1 < header.entry_size <= 64
                       else PERIODS.get(self.role, 8))
        self.is_derived = layout.is_whole(section) and (
            self.role == elf.FRAME_HEADER
            or self.role == elf.HASHES and header.type == elf.GNU_HASH)


def plan(layout, size):
    """All units of the target in the order of coding."""
    if layout is None:
        return [Unit(0, size, None, None)] if size else []
    units = []

    def append(start, end, section):
        """The range, but for what of it belongs to the frame."""
        for frame_start, frame_end in layout.frames:
            if max(frame_start, start) >= min(frame_end, end):
                continue
            if start < frame_start:
                units.append(Unit(start, frame_start, section, layout))
            start = max(start, frame_end)
        if start < end:
            units.append(Unit(start, end, section, layout))

    place = 0
    for start, end, section in layout.extents:
        append(place, start, None)
        append(start, end, section)
        place = end
    append(place, size, None)
    # Of each kind of table only the first is derived.
    seen = set()
    for unit in units:
        unit.is_derived = unit.is_derived and unit.role not in seen
        if unit.is_derived:
            seen.add(unit.role)
            unit.is_derived = unit.end - unit.start <= LONGEST_DERIVED
    return sorted(units, key=lambda unit: unit.is_derived)


def data_of(layout, size):
    """What of the base new data may follow: all but its code."""
    if layout is None:
        return [range(size)]
    return [range(start, end) for start, end, section in layout.extents
            if layout.role(section) not in elf.IS_CODE]


class Contents:
    def __init__(self, coder, base, fields, front, covers, size, table_bits):
        self.coder, self.base, self.front, self.covers = coder, base, front, covers
        old, new = fields.layout, front.layout
        if old is not None and new is not None:
            for section, source in enumerate(front.sources):
                if source >= 0:
                    new.roles[section] = old.role(source)
        machine = None if new is None else new.machine
        if (None if old is None else old.machine) != machine:
            # Nothing is known of the fields of another machine's code.
            fields = FieldMap(b"")
            old = None
        self.fields = fields
        self.units = plan(new, size)
        self.output = bytearray(size)
        counterparts = front.counterparts(len(old.sections) if old else 0)
        map = AddressMap(old, new, counterparts, PositionMap(covers))
        self.predictor = Predictor(map, fields, base)
        table = ContextTable(table_bits)
        bits = table_bits + 1
        inserted = size - sum(cover.count for cover in covers)
        self.copies = CopyModel(coder, table, bits)
        self.plain = PlainModel(coder, table, bits, base,
                                data_of(old, len(base)) if inserted > INDEXED_INSERTS else [])
        self.instructions = self.words = None
        if machine == MACHINE_X86:
            self.instructions = InstructionModel(coder, table, self.copies, self.predictor, bits, base)
        elif machine in SETS:
            self.words = WordModel(coder, table, SETS[machine], bits, base)
        self.numbers = NumberModel(1, prior.HEADS)
        self.code_model = self.instructions or self.words

    def decode(self):
        self.write_frame()
        self.rehearse()
        for unit in self.units:
            if unit.is_derived and self.derive(unit):
                continue
            self.predictor.slide = unit.slide
            self.predictor.frames = FrameWalk(unit.start)
            self.notes = NoteWalk(unit.start)
            self.call_frame = CallFrameWalk()
            place = unit.start
            before = None
            for cover in self.overlapping(unit):
                start, end = max(cover.target, unit.start), min(cover.target_end, unit.end)
                if place < start:
                    self.insert(place, start, unit, before)
                self.copy(start, end, cover.diagonal, unit)
                place = end
                before = cover
            if place < unit.end:
                self.insert(place, unit.end, unit, before)
        return bytes(self.output)

    def overlapping(self, unit):
        return [cover for cover in self.covers
                if cover.target < unit.end and cover.target_end > unit.start]

    def write(self, place, width, value):
        self.output[place:place + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")

    # The frame.

    def write_frame(self):
        layout = self.front.layout
        if layout is None:
            return
        self.output[:elf.HEADER_SIZE] = layout.header
        place = little(layout.header, 32, 8)
        self.output[place:place + len(layout.segments)] = layout.segments
        if not layout.is_synthetic:
            place = little(layout.header, 40, 8)
            table = b"".join(section.encoded() for section in layout.sections)
            self.output[place:place + len(table)] = table

    # Rehearsal: the models of new code run over code of the base.

    def rehearse(self):
        old = self.predictor.map.old
        if old is None or self.code_model is None:
            return
        centers, inserted = self.insertions()
        for start, end in self.windows(centers, inserted):
            for first, last, section in old.extents:
                if old.role(section) in elf.IS_CODE and max(first, start) < min(last, end):
                    slide = old.address_of(section) - old.sections[section].offset
                    self.rehearse_window(max(first, start), min(last, end), slide & MASK64)

    def windows(self, centers, inserted):
        """Windows of the base around the places behind which code is inserted."""
        size = len(self.base)
        if not inserted or not size or not centers:
            return []
        step = len(centers) * 2 * RADIUS // MOST + 1
        centers = sorted(centers)[::step]
        wanted = min(max(LEAST, inserted * BYTES_PER_INSERT), MOST, size)
        radius = RADIUS
        while True:
            windows = []
            for center in centers:
                start, end = max(0, center - radius), min(size, center + radius)
                if windows and windows[-1][1] >= start:
                    windows[-1] = (windows[-1][0], max(windows[-1][1], end))
                else:
                    windows.append((start, end))
            if sum(end - start for start, end in windows) >= wanted:
                return windows
            radius *= 2

    def insertions(self):
        centers = []
        inserted = 0
        for unit in self.units:
            if unit.role not in elf.IS_CODE:
                continue
            place = unit.start
            source = self.source(unit.section)
            old = 0 if source is None else self.predictor.map.old.owned[source][0]
            for cover in self.overlapping(unit):
                if cover.target > place:
                    centers.append(old)
                    inserted += cover.target - place
                place = max(place, min(cover.target_end, unit.end))
                old = cover.base_end
            if place < unit.end:
                centers.append(old)
                inserted += unit.end - place
        return centers, inserted

    def source(self, section):
        """The section of the base that a section of the target comes from, or None."""
        source = self.front.sources[section]
        old = self.predictor.map.old
        return source if old is not None and 0 <= source < len(old.sections) else None

    def rehearse_window(self, start, end, slide):
        starts = self.fields.starts
        place = starts.select(starts.rank(start))
        if place is None:
            place = end
        if self.instructions:
            self.instructions.begin(self.base, place, place, History(), is_rehearsal=True)
            while place < end:
                place += self.instructions.code(place, end, slide, 0, self.base, is_rehearsal=True)[1]
            return
        self.words.interrupt()
        for place in range(place + 3 & ~3, end - 3, 4):
            self.words.inserted(place, slide, 0, self.base, is_rehearsal=True)

    # Tables that follow from the rest.

    def derive(self, unit):
        if not self.coder.bit(DERIVED_PROBABILITY):
            return False
        if unit.role == elf.HASHES:
            self.head(unit)
        make = derived.frame_header if unit.role == elf.FRAME_HEADER else derived.gnu_hash
        made = make(self.front.layout, unit.section, self.output)
        check(made is not None and len(made) == unit.end - unit.start, "a table that does not follow")
        self.output[unit.start:unit.end] = made
        return True

    def head(self, unit):
        """The four numbers at the start of a hash table, by how they differ from the base's."""
        source = self.source(unit.section)
        for offset in range(0, min(HASH_HEAD, unit.end - unit.start & ~3), 4):
            expected = 0
            if source is not None:
                expected = little(self.base, self.predictor.map.old.owned[source][0] + offset, 4)
            self.write(unit.start + offset, 4, expected + self.numbers.code_signed(self.coder, 0))

    # Covered bytes.

    def copy(self, place, end, diagonal, unit):
        """Bytes of the target from `place` to `end`, which a cover has."""
        first = place
        while place < end:
            frames = self.predictor.frames.copy()
            stop, references, risk = self.foretell(place, end, diagonal)
            if self.copies.block_differs(unit.role, risk, references, stop - place, place == first,
                                         stop == end):
                self.predictor.frames = frames
                foretold = self.output[place:stop]
                self.tokens(place, stop, diagonal, unit)
                check(foretold != self.output[place:stop], "a difference that is none")
            place = stop

    def field_at(self, old, place, end):
        """The kind of the field that begins here and ends at or before `end`, or None."""
        mark = self.fields.kind(old)
        kind = mark & 0x3F
        if mark & kinds.FIRST and kinds.IS_FIELD[kind] and place + kinds.WIDTHS[kind] <= end:
            return kind
        return None

    def foretell(self, place, end, diagonal):
        """Writes what is foretold for a block; returns its end, number of references and risk."""
        references = risk = 0
        wanted = min(end, place + BLOCK)
        while place < wanted:
            kind = self.field_at(place + diagonal, place, end)
            if kind is None:
                self.output[place] = self.base[place + diagonal]
                place += 1
                continue
            prediction = self.predictor.predict(kind, place + diagonal, place, self.output)
            self.write(place, kinds.WIDTHS[kind], prediction.candidates[0])
            place += kinds.WIDTHS[kind]
            if prediction.is_reference:
                references += 1
                risk = max(risk, prediction.risk)
        return place, references, risk

    def tokens(self, place, end, diagonal, unit):
        """A block that differs from what was foretold, field by field and byte by byte."""
        opcode = 0
        begin = unit.start
        is_instruction = self.instructions is not None and unit.role in elf.IS_CODE
        self.copies.names.interrupt()
        while place < end:
            old = place + diagonal
            mark = self.fields.kind(old)
            if mark & kinds.START:
                opcode = 0
                self.copies.names.begin()
            kind = self.field_at(old, place, end)
            if kind is not None:
                self.field(kind, old, place, opcode, unit)
                place += kinds.WIDTHS[kind]
                continue
            kind = mark & 0x3F
            if kind in (kinds.PREFIX, kinds.OPCODE, kinds.MODRM):
                opcode = opcode << 8 & 0xFFFFFF | self.base[old]
            frame = 0
            if unit.role == elf.FRAMES:
                frame = self.follow_frames(place, unit)[0]
            byte = self.noise(place, old, unit)
            if byte is None:
                byte = self.copies.byte(kind, unit.role, opcode, (place - begin) % unit.period, old, place,
                                        self.base, self.output, is_instruction, frame)
            self.output[place] = byte
            place += 1

    def follow_frames(self, place, unit):
        """What call frame instructions stand before `place`."""
        self.predictor.frames.advance(place, self.output, unit.slide)
        self.call_frame.advance(place, self.output, self.predictor.frames.record)
        return self.call_frame.state, self.call_frame.short_state

    def noise(self, place, old, unit):
        """The byte at `place` if it is one of which nothing can be known, else None."""
        if unit.role == elf.NOTES and self.notes.is_digest(place, self.output):
            return self.coder.raw(8)
        if unit.role != elf.STRINGS:
            return None
        if old is None:
            is_new = self.plain.matched == 0 and hash_digits(place, self.output) is not None
        else:
            is_new = hash_has_changed(place, self.output, old, self.base)
        return DIGITS[self.coder.raw(4)] if is_new and not self.coder.bit(64) else None

    def field(self, kind, old, place, opcode, unit):
        prediction = self.predictor.predict(kind, old, place, self.output)
        is_word = kind in kinds.PLAIN_WORDS or kind in kinds.WORD_REFERENCES
        choice = self.copies.choice(prediction, unit.role, prediction.old >> 21 if is_word else opcode)
        if choice < len(prediction.candidates):
            value = prediction.candidates[choice]
        elif is_word and kinds.WIDTHS[kind] == 4 and self.words is not None:
            expected = prediction.candidates[-1 if kind == kinds.ARM_WORD else 0]
            value = self.words.word(expected, little(self.base, old, 4), 1, place,
                                    place + unit.slide & MASK64, self.output)
        else:
            value = self.copies.other(prediction)
        self.write(place, kinds.WIDTHS[kind], value)
        self.predictor.learn(prediction, value, place)

    # Inserted bytes.

    def insert(self, start, end, unit, cover):
        """Bytes of the target from `start` to `end`, which no cover has and which follow `cover`."""
        if unit.role in elf.IS_CODE and self.instructions:
            self.insert_instructions(start, end, unit, cover)
        elif unit.role in elf.IS_CODE and self.words:
            self.insert_words(start, end, unit, cover)
        else:
            self.insert_plain(start, end, unit, cover)

    def insert_plain(self, start, end, unit, cover):
        diagonal = cover.diagonal if cover else 0
        period = FRAME_PERIOD if unit.role == elf.FRAMES else unit.period
        guess, call_frame = -1, (0, 0)
        self.plain.interrupt()
        place = start
        while place < end:
            if unit.role != elf.FRAMES and self.plain.run(place, end, self.output):
                place += RUN
                continue
            byte = self.noise(place, None, unit)
            if byte is not None:
                self.plain.text.add(byte, place)
            else:
                offset = place - unit.start
                if unit.role == elf.FRAMES:
                    call_frame = self.follow_frames(place, unit)
                    frames = self.predictor.frames
                    record = place - frames.record
                    offset = min(record, FRAME_PERIOD - 1)
                    word = frames.expected(record & ~3, unit.slide)
                    guess = -1 if word is None else word >> 8 * (record & 3) & 255
                byte = self.plain.byte(place, unit.role, period, offset, guess, call_frame, diagonal,
                                       self.output)
            self.output[place] = byte
            place += 1

    def insert_instructions(self, start, end, unit, cover):
        diagonal = cover.diagonal if cover else 0
        self.begin_instructions(start, cover)
        place = start
        while place < end:
            value, count = self.instructions.code(place, end, unit.slide, diagonal, self.output)
            self.write(place, count, value)
            place += count

    def begin_instructions(self, start, cover):
        """What came before is known from where the cover before ends in the base."""
        history = History()
        first = start
        starts = self.fields.starts
        if cover and cover.target_end == start:
            end = cover.base_end
            current = starts.previous(end)
            if current is not None and end - current < MOST_BYTES and end - current <= cover.count:
                first = start - (end - current)
                earlier = []
                place = current
                while len(earlier) < 3:
                    previous = starts.previous(place - 1)
                    if previous is None or place - previous > MOST_BYTES:
                        break
                    earlier.append(previous)
                    place = previous
                for place in reversed(earlier):
                    found = instruction(self.base, place, len(self.base))
                    history.add_instruction(found, self.base, place)
        self.instructions.begin(self.output, first, start, history)

    def insert_words(self, start, end, unit, cover):
        diagonal = cover.diagonal if cover else 0
        first = min(end, start + 3 & ~3)
        last = max(first, end & ~3)
        if start < first:
            self.insert_plain(start, first, unit, cover)
        self.words.interrupt()
        for place in range(first, last, 4):
            self.write(place, 4, self.words.inserted(place, unit.slide, diagonal, self.output))
        if last < end:
            self.insert_plain(last, end, unit, cover)
