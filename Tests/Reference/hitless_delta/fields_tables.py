"""Fields of tables, and the map of all fields of a base (docs/format.md, "Delta codec 1: Fields").

What is made here is a pure function of the bytes of the base.
"""
from bisect import bisect_left, bisect_right

import kinds
import layout as elf
from fields_words import SETS, mark
from fields_x86 import instruction
from kinds import START, paint
from layout import number, signed32

BYTE_LIMIT = 64 << 20
MACHINE_X86 = 62
MAXIMUM_FIELDS, MAXIMUM_SLOTS, MAXIMUM_VERSIONS = 1 << 20, 1 << 22, 1 << 16
MINIMUM_ENTRIES = 3

# Types R_*_RELATIVE and R_*_IRELATIVE, whose addend is an address.
ADDRESS_TYPES = {62: (8, 37), 183: (1027, 1032), 243: (3, 58), 258: (3, 12)}

DYNAMIC_KINDS = {tag: kinds.ADDRESS64 for tag in (
    3, 4, 5, 6, 7, 12, 13, 17, 23, 25, 26, 32, 36, 0x6FFFFEF5, 0x6FFFFEF6, 0x6FFFFEF7, 0x6FFFFFF0,
    0x6FFFFFFC, 0x6FFFFFFE)}
DYNAMIC_KINDS.update({tag: kinds.SECTION_SIZE for tag in (2, 8, 10, 18, 27, 28, 33, 35)})
DYNAMIC_KINDS.update({tag: kinds.STRING_OFFSET for tag in (1, 14, 15, 29, 0x7FFFFFFD, 0x7FFFFFFF)})


class FrameRecord:
    """One record of .eh_frame."""

    def __init__(self, start, end, identifier):
        self.start, self.end, self.identifier = start, end, identifier


def frame_record(data, start, limit):
    """The record at `start`, or None when none ends at or before `limit`."""
    if start < 0 or start > limit - 4:
        return None
    length = number(data, start, 4)
    identifier = start + 4
    if length == 0xFFFFFFFF:
        if limit - start < 12:
            return None
        length = number(data, start + 4, 8)
        identifier = start + 12
    if length > limit - identifier:
        return None
    return FrameRecord(start, identifier + length, identifier)


def is_common(data, record):
    return number(data, record.identifier, 4) == 0


def common_place(data, record, section_start):
    """Where the CIE of an FDE would be, or None."""
    if record.end - record.identifier < 4:
        return None
    pointer = number(data, record.identifier, 4)
    if pointer == 0 or pointer > record.identifier - section_start:
        return None
    return record.identifier - pointer


def skip_leb(data, cursor, end):
    for _ in range(10):
        if cursor >= end:
            break
        cursor += 1
        if data[cursor - 1] < 0x80:
            break
    return cursor


class CommonEntry:
    """What a CIE says of the pointers in itself and in its FDEs."""

    def __init__(self):
        self.has_relative_code = self.has_relative_data = False
        self.personality = None


def common_entry(data, start, limit):
    """The CIE at `start`, or None when there is none that is understood."""
    record = frame_record(data, start, limit)
    if record is None or record.end - record.identifier < 9 or not is_common(data, record):
        return None
    version = data[record.identifier + 4]
    if version not in (1, 3):
        return None
    letters = record.identifier + 5
    cursor = letters
    while cursor < record.end and data[cursor] != 0:
        cursor += 1
        if cursor - letters > 8:
            return None
    augmentation = bytes(data[letters:cursor])
    cursor = skip_leb(data, cursor + 1, record.end)
    cursor = skip_leb(data, cursor, record.end)
    cursor = cursor + 1 if version == 1 else skip_leb(data, cursor, record.end)
    if augmentation[:1] != b"z":
        return None
    cursor = skip_leb(data, cursor, record.end)
    entry = CommonEntry()
    for letter in augmentation[1:].decode("latin-1"):
        if letter in "SBG":
            continue
        if letter not in "RLP" or cursor >= record.end:
            return None
        encoding = data[cursor]
        cursor += 1
        if letter == "R":
            entry.has_relative_code = encoding == 0x1B
        elif letter == "L":
            entry.has_relative_data = encoding in (0x1B, 0x9B)
        elif encoding != 0xFF:
            if encoding not in (0x1B, 0x9B) or cursor > record.end - 4:
                return None
            entry.personality = cursor
            cursor += 4
    return entry


class Starts:
    """Where instructions, records and strings begin, in order."""

    def __init__(self, places=()):
        self.places = sorted(places)
        self.known = set(self.places)

    def contains(self, place):
        return place in self.known

    def rank(self, place):
        return bisect_left(self.places, place)

    def select(self, rank):
        return self.places[rank] if 0 <= rank < len(self.places) else None

    def previous(self, place):
        """The last start at or before `place`, or None."""
        index = bisect_right(self.places, place) - 1
        return self.places[index] if index >= 0 else None


class FieldMap:
    """The fields of a file."""

    def __init__(self, data):
        self.data = data
        self.layout = elf.file_layout(data)
        self.starts = Starts()
        self.kinds = bytearray(len(data))
        self.partners = {}
        self.words = None
        self.tables = []
        self.table_starts = []
        if self.layout is None:
            return
        self.words = SETS.get(self.layout.machine)
        self.places = set()
        self.slots = []
        self.slots_left = MAXIMUM_SLOTS
        self.versions_left = MAXIMUM_VERSIONS
        self.taken = set()
        for section in range(len(self.layout.sections)):
            start, end = self.field_range(section)
            if start < end:
                self.read_section(section, start, end)
        self.starts = Starts(self.places)
        self.settle_slots()
        self.find_jump_tables()
        self.table_starts = [start for start, _, _ in self.tables]
        for start, end, _ in self.tables:
            for place in range(start, end, 4):
                paint(self.kinds, kinds.JUMP_TABLE_ENTRY, place, 4)
        for place, kind in self.slots:
            paint(self.kinds, kind, place, slot_size(kind))
        for place in self.places:
            self.kinds[place] |= START

    def field_range(self, section):
        """The bytes of a section that may have kinds."""
        if not self.layout.is_whole(section):
            return 0, 0
        start, end = self.layout.owned[section]
        return min(start, BYTE_LIMIT), min(end, BYTE_LIMIT)

    def read_section(self, section, start, end):
        role = self.layout.role(section)
        if role in elf.IS_CODE:
            if self.layout.machine == MACHINE_X86:
                self.read_x86(section, start, end, role)
            elif self.words is not None:
                mark(self.words, self.data, (start, end), self.kinds, self.partners)
                self.places.update(place for place in range(start, end) if self.kinds[place] & START)
                self.take_addresses(start, end)
        elif role == elf.FRAMES:
            self.read_frames(start, end)
        elif role == elf.STRINGS:
            self.read_strings(start, end)
        elif role == elf.SYMBOLS:
            self.read_records(start, end, 24, self.read_symbol)
        elif role == elf.DYNAMICS:
            self.read_records(start, end, 16, self.read_dynamic)
        elif role == elf.POINTERS:
            self.read_records(start, end, 8, self.read_pointer)
        elif role == elf.RELOCATIONS:
            has_addend = self.layout.sections[section].type == elf.RELA
            self.read_records(start, end, 24 if has_addend else 16,
                              lambda place: self.read_relocation(place, has_addend))
        elif role == elf.RELATIVE_RELOCATIONS:
            self.next_slot = 0
            self.read_records(start, end, 8, self.read_relative)
        elif role == elf.VERSIONS:
            self.read_versions(self.layout.sections[section].type, start, end)

    def read_records(self, start, end, size, read):
        for place in range(start, end - size + 1, size):
            self.places.add(place)
            read(place)

    def read_x86(self, section, start, end, role):
        data = self.data
        address = self.layout.address_of(section) - start
        while start < end:
            self.places.add(start)
            found = instruction(data, start, end)
            self.kinds[start:start + found.count] = found.kinds()
            if role == elf.PLT and data[start] == 0x68 and found.count == 5:
                paint(self.kinds, kinds.PLT_INDEX, start + 1, 4)
            is_lea = (start <= end - 7 and data[start] & 0xF8 == 0x48 and data[start + 1] == 0x8D
                      and data[start + 2] & 0xC7 == 0x05)
            if is_lea:
                self.take(address + start + 7 + signed32(data, start + 3) & elf.MASK64)
            start += found.count

    def take_addresses(self, start, end):
        """Notes the addresses that words take (ADDI.D of LoongArch64, ADDI of RISC-V)."""
        for place in range(start, end - 3):
            kind = self.kinds[place]
            if not kind & START:
                continue
            word = number(self.data, place, 4)
            kind &= ~(kinds.FIRST | START)
            if (kind in (kinds.LOONG_LOW12, kinds.LOONG_RELATIVE_LOW12) and word >> 22 == 0x0B
                    or kind == kinds.RISC_LOW12I and word & 0x707F == 0x13):
                self.take(self.target(place, kind))

    def take(self, address):
        """Notes an address of read-only data that code takes."""
        section = self.layout.section_at_address(address)
        if section is None or self.layout.role(section) != elf.READ_ONLY or address & 3:
            return
        start, end = self.field_range(section)
        offset = start + address - self.layout.address_of(section)
        if start <= offset < end and offset & 3 == 0:
            self.taken.add(offset)

    def read_frames(self, start, end):
        data = self.data
        place = start
        while (record := frame_record(data, place, end)) is not None:
            self.places.add(place)
            place = record.end
            if record.end - record.identifier < 4:
                continue
            if is_common(data, record):
                entry = common_entry(data, record.start, end)
                if entry is not None and entry.personality is not None:
                    paint(self.kinds, kinds.RELATIVE_ADDRESS32, entry.personality, 4)
                continue
            self.read_description(record, start, end)

    def read_description(self, record, start, end):
        """The fields of an FDE."""
        common = common_place(self.data, record, start)
        entry = None if common is None else common_entry(self.data, common, end)
        if entry is None:
            return
        place = record.identifier
        paint(self.kinds, kinds.COMMON_ENTRY_POINTER, place, 4)
        if not entry.has_relative_code or record.end - place < 12:
            return
        paint(self.kinds, kinds.RELATIVE_ADDRESS32, place + 4, 4)
        paint(self.kinds, kinds.CODE_RANGE, place + 8, 4)
        if not entry.has_relative_data:
            return
        cursor = skip_leb(self.data, place + 12, record.end)
        if cursor <= record.end - 4 and number(self.data, cursor, 4) != 0:
            paint(self.kinds, kinds.RELATIVE_ADDRESS32, cursor, 4)

    def read_strings(self, start, end):
        self.places.add(start)
        for place in range(start, end - 1):
            if self.data[place] == 0:
                self.places.add(place + 1)

    def read_symbol(self, place):
        if number(self.data, place, 4) != 0:
            paint(self.kinds, kinds.STRING_OFFSET, place, 4)
        section = number(self.data, place + 6, 2)
        if section == 0 or section >= 0xFF00 or self.data[place + 4] & 15 == 6:
            return
        paint(self.kinds, kinds.ADDRESS64, place + 8, 8)
        if number(self.data, place + 16, 8) != 0:
            paint(self.kinds, kinds.SYMBOL_SIZE, place + 16, 8)

    def read_dynamic(self, place):
        kind = DYNAMIC_KINDS.get(number(self.data, place, 8))
        if kind is not None:
            paint(self.kinds, kind, place + 8, 8)

    def read_pointer(self, place):
        if self.layout.section_at_address(number(self.data, place, 8)) is not None:
            paint(self.kinds, kinds.ADDRESS64, place, 8)

    def read_relocation(self, place, has_addend):
        if not self.layout.is_relocatable:
            paint(self.kinds, kinds.ADDRESS64, place, 8)
            self.add_slot(number(self.data, place, 8))
        if number(self.data, place + 12, 4) != 0:
            paint(self.kinds, kinds.SYMBOL_INDEX, place + 12, 4)
        types = ADDRESS_TYPES.get(self.layout.machine, ())
        if has_addend and number(self.data, place + 8, 4) in types:
            paint(self.kinds, kinds.ADDRESS64, place + 16, 8)

    def read_relative(self, place):
        word = number(self.data, place, 8)
        if word & 1 == 0:
            paint(self.kinds, kinds.RELATIVE_RELOCATION, place, 8)
            if not self.is_full():
                self.add_slot(word)
            self.next_slot = word + 8
            return
        paint(self.kinds, kinds.RELATIVE_BITMAP, place, 8)
        if self.is_full():
            return
        for bit in range(63):
            if word >> bit + 1 & 1:
                self.add_slot(self.next_slot + bit * 8 & elf.MASK64, always=True)
        self.next_slot += 63 * 8

    def is_full(self):
        return len(self.slots) >= MAXIMUM_FIELDS or self.slots_left <= 0

    def add_field(self, kind, place):
        if not self.is_full():
            self.slots.append((place, kind))

    def add_slot(self, address, always=False):
        """Looks whether a slot that the loader relocates holds an address in the file already."""
        if self.is_full() and not always:
            return
        self.slots_left -= 1
        section = self.layout.section_at_address(address)
        if section is None or self.layout.role(section) not in (elf.DATA, elf.READ_ONLY):
            return
        start, end = self.field_range(section)
        offset = start + address - self.layout.address_of(section)
        if not start <= offset <= end - 8:
            return
        content = number(self.data, offset, 8)
        if content != 0 and self.layout.section_at_address(content) is not None:
            self.add_field(kinds.ADDRESS64, offset)

    def read_versions(self, kind, start, end):
        if kind == elf.VERSYM:
            self.places.update(range(start, end - 1, 2))
            return
        is_needs = kind == elf.VERNEED
        record = start
        while self.versions_left > 0 and record <= end - (16 if is_needs else 20):
            self.versions_left -= 1
            self.places.add(record)
            if is_needs:
                self.add_field(kinds.STRING_OFFSET, record + 4)
            entry = record + number(self.data, record + (8 if is_needs else 12), 4)
            while self.versions_left > 0 and entry <= end - (16 if is_needs else 8):
                self.versions_left -= 1
                self.places.add(entry)
                self.add_field(kinds.STRING_OFFSET, entry + (8 if is_needs else 0))
                step = number(self.data, entry + (12 if is_needs else 4), 4)
                if step == 0:
                    break
                entry += step
            step = number(self.data, record + (12 if is_needs else 16), 4)
            if step == 0:
                break
            record += step

    def settle_slots(self):
        """Of slots that overlap the one at the lower offset stays, and of two at one the lower kind."""
        kept = []
        end = 0
        for place, kind in sorted(self.slots):
            if place >= end:
                kept.append((place, kind))
                end = place + slot_size(kind)
        self.slots = kept
        self.slot_places = [place for place, _ in kept]

    def find_jump_tables(self):
        """Fills `tables` with (start, end, address), ascending."""
        taken = sorted(self.taken)
        for start, end, section in self.layout.extents:
            if self.layout.role(section) != elf.READ_ONLY or not self.layout.is_whole(section):
                continue
            end = min(end, BYTE_LIMIT)
            starts = taken[bisect_left(taken, start):bisect_left(taken, end)]
            for table, limit in zip(starts, starts[1:] + [end]):
                base = self.layout.address_of(section) + table - start
                stop = self.table_end(table, limit, base)
                if stop - table >= MINIMUM_ENTRIES * 4:
                    self.tables.append((table, stop, base & elf.MASK64))

    def table_end(self, start, limit, base):
        slot = self.first_slot(start)
        if slot is not None:
            limit = min(limit, slot)
        layout = self.layout
        place = start
        code = None
        while place <= limit - 4:
            target = base + signed32(self.data, place) & elf.MASK64
            if code is None:
                code = layout.section_at_address(target)
                if code is None or layout.role(code) not in elf.IS_CODE or not layout.is_whole(code):
                    return place
            offset = target - layout.address_of(code)
            first, end = layout.owned[code]
            if not 0 <= offset < end - first or not self.starts.contains(first + offset):
                return place
            place += 4
        return place

    def first_slot(self, place):
        """Where the first slot begins that ends behind `place`."""
        index = bisect_right(self.slot_places, place) - 1
        if index < 0 or self.slots[index][0] + slot_size(self.slots[index][1]) <= place:
            index += 1
        return self.slots[index][0] if index < len(self.slots) else None

    # What the walk asks for.

    def kind(self, place):
        return self.kinds[place] if 0 <= place < len(self.kinds) else 0

    def partner(self, place):
        return self.partners.get(place >> 2, 0)

    def jump_table_base(self, place):
        index = bisect_right(self.table_starts, place) - 1
        if index >= 0 and place < self.tables[index][1]:
            return self.tables[index][2]
        return None

    def address(self, place):
        """The address at which the byte at `place` is loaded, or None."""
        return None if self.layout is None else self.layout.address_of_offset(place)

    def target(self, place, kind):
        """The address that the reference of this kind at `place` names, or None."""
        data = self.data
        if kind in (kinds.ADDRESS64, kinds.RELATIVE_RELOCATION):
            return number(data, place, 8)
        if kind == kinds.JUMP_TABLE_ENTRY:
            base = self.jump_table_base(place)
            return None if base is None else base + signed32(data, place) & elf.MASK64
        if kind not in kinds.WORD_REFERENCES and kind not in (kinds.RELATIVE8, kinds.RELATIVE_ADDRESS32,
                                        kinds.COMMON_ENTRY_POINTER, *kinds.WIDE_REFERENCES):
            return None
        address = self.address(place)
        if address is None:
            return None
        if kind == kinds.RELATIVE8:
            return address + 1 + elf.signed(data[place], 8) & elf.MASK64
        if kind == kinds.COMMON_ENTRY_POINTER:
            return address - number(data, place, 4) & elf.MASK64
        if kind == kinds.RELATIVE_ADDRESS32:
            return address + signed32(data, place) & elf.MASK64
        if kind in kinds.WIDE_REFERENCES:
            return address + signed32(data, place) + 4 + kinds.TRAILING.get(kind, 0) & elf.MASK64
        distance = self.partner(place)
        partner = number(data, place + distance, 4) if distance else 0
        return self.words.target(kind, number(data, place, kinds.WIDTHS[kind]), address, partner,
                                 address + distance & elf.MASK64)


def slot_size(kind):
    return 8 if kind == kinds.ADDRESS64 else 4
