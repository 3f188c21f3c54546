"""The frame of a 64-bit little-endian ELF file and which bytes and addresses its sections own
(docs/format.md, "Delta codec 1: layout of a file"). Nothing that a header says is believed.
"""
from bisect import bisect_right

MASK64 = (1 << 64) - 1

MAXIMUM_SECTIONS = 4096
MAXIMUM_SEGMENTS = 64
HEADER_SIZE, SEGMENT_SIZE, SECTION_SIZE = 64, 56, 64
NAME_LIMIT = 64

# sh_type
NULL, PROGBITS, SYMTAB, STRTAB, RELA, HASH, DYNAMIC, NOTE, NOBITS, REL = range(10)
DYNSYM, INIT_ARRAY, FINI_ARRAY, PREINIT_ARRAY, RELR = 11, 14, 15, 16, 19
GNU_HASH, VERDEF, VERNEED, VERSYM = 0x6FFFFFF6, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
# sh_flags
WRITE, ALLOC, EXEC, INFO_LINK, TLS = 1, 2, 4, 0x40, 0x400

# Roles; the numbers are part of the format.
(GAP, CODE, READ_ONLY, DATA, SYMBOLS, STRINGS, RELOCATIONS, FRAMES, UNALLOCATED, DYNAMICS, VERSIONS,
 EMPTY, FRAME_HEADER, HASHES, POINTERS, RELATIVE_RELOCATIONS, PLT, EXCEPTIONS, NOTES) = range(19)
IS_CODE = (CODE, PLT)

ROLE_OF_TYPE = {
    NULL: EMPTY, NOBITS: EMPTY, SYMTAB: SYMBOLS, DYNSYM: SYMBOLS, STRTAB: STRINGS, RELA: RELOCATIONS,
    REL: RELOCATIONS, DYNAMIC: DYNAMICS, HASH: HASHES, GNU_HASH: HASHES, NOTE: NOTES,
    INIT_ARRAY: POINTERS, FINI_ARRAY: POINTERS, PREINIT_ARRAY: POINTERS, RELR: RELATIVE_RELOCATIONS,
    VERSYM: VERSIONS, VERNEED: VERSIONS, VERDEF: VERSIONS,
}
ROLE_OF_NAME = {
    (READ_ONLY, b".eh_frame"): FRAMES, (DATA, b".eh_frame"): FRAMES,
    (READ_ONLY, b".eh_frame_hdr"): FRAME_HEADER, (READ_ONLY, b".gcc_except_table"): EXCEPTIONS,
    (READ_ONLY, b".got"): POINTERS, (DATA, b".got"): POINTERS, (DATA, b".got.plt"): POINTERS,
    (CODE, b".plt"): PLT, (CODE, b".plt.got"): PLT, (CODE, b".plt.sec"): PLT, (CODE, b".iplt"): PLT,
}


def little(data, offset, count):
    """A little-endian number; bytes outside of `data` are 0."""
    if 0 <= offset <= len(data) - count:
        return int.from_bytes(data[offset:offset + count], "little")
    value = 0
    for index in range(count):
        if 0 <= offset + index < len(data):
            value |= data[offset + index] << 8 * index
    return value


def number(data, offset, count):
    """A little-endian number that is 0 unless all its bytes are there."""
    if 0 <= offset <= len(data) - count:
        return int.from_bytes(data[offset:offset + count], "little")
    return 0


def signed(value, bits):
    """The lowest `bits` bits of `value` as a number of either sign."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def signed32(data, offset):
    return signed(number(data, offset, 4), 32)


def overlap(first, second):
    return max(first[0], second[0]) < min(first[1], second[1])


class Section:
    """A section header."""

    # Name, offset and size of each field.
    FIELDS = [("name", 0, 4), ("type", 4, 4), ("flags", 8, 8), ("address", 16, 8), ("offset", 24, 8),
              ("size", 32, 8), ("link", 40, 4), ("info", 44, 4), ("alignment", 48, 8),
              ("entry_size", 56, 8)]

    def __init__(self, data=bytes(SECTION_SIZE), at=0):
        for name, offset, count in self.FIELDS:
            setattr(self, name, number(data, at + offset, count))

    def encoded(self):
        return b"".join((getattr(self, name) & (1 << 8 * count) - 1).to_bytes(count, "little")
                        for name, _, count in self.FIELDS)

    @property
    def is_allocated(self):
        return self.flags & ALLOC != 0

    @property
    def has_no_bytes(self):
        return self.type in (NULL, NOBITS)


def role_of(section, name=b""):
    role = ROLE_OF_TYPE.get(section.type)
    if role is None:
        if not section.flags & ALLOC:
            role = UNALLOCATED
        elif section.flags & EXEC:
            role = CODE
        else:
            role = DATA if section.flags & WRITE else READ_ONLY
    return ROLE_OF_NAME.get((role, name), role)


def table_range(start, count, size, wanted, limit, file_size, needs_start):
    """Where a header table is, (0, 0) when there is none, None when that is not in the file."""
    if count > limit:
        return None
    if count == 0 or needs_start and start == 0:
        return 0, 0
    if size != wanted or start + count * size > file_size:
        return None
    return start, start + count * size


class Layout:
    """The frame of a file."""

    def __init__(self, header, segments, sections, file_size):
        self.header = bytes(header)
        self.segments = bytes(segments)
        self.file_size = file_size
        self.machine = number(header, 18, 2)
        self.is_relocatable = number(header, 16, 2) == 1
        self.is_synthetic = not sections
        tables = [(0, HEADER_SIZE), segment_range(header, file_size), section_range(header, file_size)]
        self.frames = union(tables)
        self.sections = sections or segment_sections(segments, self.frames[0][1], file_size)
        self.roles = [role_of(section) for section in self.sections]
        self.extents = self.make_extents()
        self.owned = [(0, 0)] * len(self.sections)
        for start, end, section in self.extents:
            self.owned[section] = (start, end)
        self.addresses = self.make_addresses()
        self.extent_starts = [extent[0] for extent in self.extents]
        self.address_starts = [place[0] for place in self.addresses]

    def make_extents(self):
        """The bytes that sections own: (start, end, section), ascending and apart."""
        claims = sorted((section.offset, index) for index, section in enumerate(self.sections)
                        if not section.has_no_bytes and section.size > 0
                        and section.offset + section.size <= self.file_size)
        return first_come(claims, lambda index: self.sections[index].size)

    def make_addresses(self):
        """The addresses that sections own, in the same form."""
        claims = []
        for index, section in enumerate(self.sections):
            is_template = section.flags & TLS and section.has_no_bytes
            if not section.is_allocated or section.type == NULL or is_template or section.size == 0:
                continue
            if self.is_relocatable and self.owned[index] == (0, 0):
                continue
            start = self.address_of(index)
            if start + section.size <= MASK64:
                claims.append((start, index))
        return first_come(sorted(claims), lambda index: self.sections[index].size)

    def role(self, section):
        return self.roles[section] if 0 <= section < len(self.roles) else GAP

    def is_whole(self, section):
        """Whether the section owns all bytes that it claims, and no header lies in them."""
        owned = self.owned[section]
        return (owned[0] < owned[1] and owned[0] == self.sections[section].offset
                and not any(overlap(frame, owned) for frame in self.frames))

    def section_at_offset(self, offset):
        return find(self.extents, self.extent_starts, offset)

    def section_at_address(self, address):
        return find(self.addresses, self.address_starts, address)

    def address_of(self, section):
        header = self.sections[section]
        return header.offset if self.is_relocatable else header.address

    def address_of_offset(self, offset):
        section = self.section_at_offset(offset)
        if section is None or not self.sections[section].is_allocated:
            return None
        return (self.address_of(section) + offset - self.sections[section].offset) & MASK64

    def plt_relocations(self):
        for index, section in enumerate(self.sections):
            if section.type == RELA and section.is_allocated and section.info != 0:
                return index
        return 0


def first_come(claims, size_of):
    """Who owns what: of overlapping claims (start, section) in order, the first has the bytes."""
    result = []
    end = 0
    for start, index in claims:
        stop = start + size_of(index)
        if stop > end:
            result.append((max(start, end), stop, index))
            end = stop
    return result


def find(ranges, starts, value):
    index = bisect_right(starts, value) - 1
    return ranges[index][2] if index >= 0 and value < ranges[index][1] else None


def union(ranges):
    result = []
    for start, end in sorted(ranges):
        if start == end:
            continue
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def is_supported(header):
    return number(header, 0, 4) == 0x464C457F and number(header, 4, 2) == 0x0102


def segment_range(header, file_size):
    return table_range(number(header, 32, 8), number(header, 56, 2), number(header, 54, 2),
                       SEGMENT_SIZE, MAXIMUM_SEGMENTS, file_size, needs_start=False)


def section_range(header, file_size):
    return table_range(number(header, 40, 8), number(header, 60, 2), number(header, 58, 2),
                       SECTION_SIZE, MAXIMUM_SECTIONS, file_size, needs_start=True)


def decoded_layout(header, segments, sections, file_size):
    """The layout that decoded headers give, or None."""
    if file_size < HEADER_SIZE or not is_supported(header):
        return None
    places = segment_range(header, file_size), section_range(header, file_size)
    if None in places:
        return None
    if places[0][1] - places[0][0] != len(segments):
        return None
    if places[1][1] - places[1][0] != len(sections) * SECTION_SIZE:
        return None
    return Layout(header, segments, sections, file_size)


def file_layout(data):
    """The layout of a whole file, with roles from headers and names; None when it has none."""
    header = data[:HEADER_SIZE]
    if len(data) < HEADER_SIZE or not is_supported(header):
        return None
    segments, table = segment_range(header, len(data)), section_range(header, len(data))
    if segments is None or table is None:
        return None
    sections = [Section(data, at) for at in range(table[0], table[1], SECTION_SIZE)]
    layout = Layout(header, data[segments[0]:segments[1]], sections, len(data))
    names = number(header, 62, 2)
    if not layout.is_synthetic and names < len(sections):
        name_roles(layout, data, sections[names])
    return layout


def name_roles(layout, data, table):
    if table.has_no_bytes or table.offset + table.size > len(data):
        return
    names = data[table.offset:table.offset + table.size]
    for index, section in enumerate(layout.sections):
        end = names.find(0, section.name, section.name + NAME_LIMIT + 1)
        name = names[section.name:end] if end >= 0 else b""
        layout.roles[index] = role_of(section, name)


PT_LOAD, PT_DYNAMIC, PT_GNU_EH_FRAME = 1, 2, 0x6474E550


def segment_sections(segments, head, file_size):
    """Sections for a file without section headers, made of its program headers."""
    loads, tables = [], []
    for at in range(0, len(segments) - SEGMENT_SIZE + 1, SEGMENT_SIZE):
        kind, flags = number(segments, at, 4), number(segments, at + 4, 4)
        offset, address = number(segments, at + 8, 8), number(segments, at + 16, 8)
        in_file, in_memory = number(segments, at + 32, 8), number(segments, at + 40, 8)
        if offset + in_file > file_size:
            continue
        if kind == PT_LOAD:
            loads.append((flags, offset, address, in_file, in_memory))
        if kind in (PT_DYNAMIC, PT_GNU_EH_FRAME):
            tables.append((offset, in_file, kind))
    tables.sort(key=lambda table: table[0])
    result = [Section()]
    for load in loads:
        append_load(result, load, tables, head)
    return result


def append_load(result, load, tables, head):
    flags, start, address, in_file, in_memory = load

    def append(kind, place, offset, size):
        section = Section()
        section.type = kind
        section.flags = ALLOC | (WRITE if flags & 2 else 0) | (EXEC if flags & 1 else 0)
        section.address, section.offset, section.size = place & MASK64, offset, size
        result.append(section)

    def part(kind, begin, end):
        if begin < end:
            append(kind, address + begin - start, begin, end - begin)

    end = start + in_file
    offset = max(start, head)
    for table, size, kind in tables:
        if table < offset or table + size > end or size == 0:
            continue
        part(PROGBITS, offset, table)
        part(DYNAMIC if kind == PT_DYNAMIC else PROGBITS, table, table + size)
        offset = table + size
    part(PROGBITS, offset, end)
    if in_memory > in_file:
        append(NOBITS, address + in_file, end, in_memory - in_file)
