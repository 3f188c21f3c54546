"""The front matter: the frame of the target and where its sections come from (docs/format.md, "Delta codec 1:
front matter")."""
import layout as elf
import prior
from coder import check
from layout import MASK64, Section, little
from models import FlagModel, NumberModel, context

# Contexts of numbers that are not fields of section headers (0 to 9) or segments (16 to 23).
BYTE_CHANGES, SEGMENT_COUNT, SECTION_COUNT, SOURCES = 28, 29, 30, 31
# A change of this size or more stands for the value itself, in two halves.
FAR = 1 << 61
# The order in which the fields of a section header are coded.
FIELDS = ["type", "flags", "alignment", "address", "offset", "size", "name", "link", "info", "entry_size"]
SEGMENT_FIELDS = [(0, 4), (4, 4), (16, 8), (8, 8), (24, 8), (32, 8), (40, 8), (48, 8)]


class Front:
    """The layout of the target (None when it is no ELF file), and for each section its source or -1."""

    def __init__(self, layout, sources):
        self.layout, self.sources = layout, sources

    def counterparts(self, count):
        """For each section of the base the first section of the target that comes from it, or -1."""
        result = [-1] * count
        for section, source in enumerate(self.sources):
            if 0 <= source < count and result[source] < 0:
                result[source] = section
        return result


class FrontDecoder:
    def __init__(self, coder, base):
        self.coder = coder
        self.base = base
        self.flags = FlagModel(12, 4, 2, prior.FRAME_FLAGS)
        self.numbers = NumberModel(32, prior.FRAME_NUMBERS)
        self.last = 0

    def flag(self, what, detail):
        contexts = [context(what, detail), context(what, detail, self.last & 3, 7)]
        result = self.flags.code(self.coder, contexts, min(what, 3))
        self.last = self.last << 1 & 3 | result
        return result

    def count(self, expected, limit, number):
        count = expected + self.numbers.code_signed(self.coder, number)
        check(0 <= count <= limit, "a number of headers")
        return count

    def number(self, candidates, number):
        """A number that is likely one of `candidates`."""
        for index, candidate in enumerate(candidates):
            if not self.flag(3 + number, index):
                return candidate
        change = self.numbers.code_signed(self.coder, number)
        value = candidates[0] + change & MASK64
        if abs(change) >= FAR:
            upper, lower = self.numbers.code(self.coder, number), self.numbers.code(self.coder, number)
            check(change == FAR and upper < 1 << 32 and lower < 1 << 32, "a far number")
            value = upper << 32 | lower
            check(FAR <= (value - candidates[0] & MASK64) <= MASK64 + 1 - FAR, "a near number coded as far")
        check(value not in candidates, "a candidate coded as another number")
        return value

    def decode(self, file_size):
        if not self.flag(0, 0):
            return Front(None, [])
        base = self.base
        was_synthetic = base is not None and base.is_synthetic
        old_count = 0 if base is None or was_synthetic else len(base.sections)
        count = self.count(old_count, elf.MAXIMUM_SECTIONS, SECTION_COUNT)
        forecast = SectionForecast(None if was_synthetic else base)
        sections, sources = [], []
        for index in range(count):
            expected = sources[-1] + 1 if sources else 0
            header, source = self.section(index, expected if expected < old_count else -1, old_count,
                                          forecast)
            sections.append(header)
            sources.append(source)
        segments = self.segments(sections, sources)
        header = self.header(sections, len(segments) // elf.SEGMENT_SIZE, sources, forecast.end[0])
        layout = elf.decoded_layout(header, segments, sections, file_size)
        check(layout is not None, "a frame that is none")
        if layout.is_synthetic:
            known = len(base.sections) if was_synthetic else 0
            sources = [index if index < known else -1 for index in range(len(layout.sections))]
        return Front(layout, sources)

    def section(self, index, likely, old_count, forecast):
        guess = {}
        for field in FIELDS:
            guess[field] = forecast.candidates(field, index, likely, guess)[0]
        if not self.flag(1, likely < 0):
            forecast.add(guess, likely)
            return as_section(guess), likely
        source = -1
        if self.flag(2, likely < 0):
            source = likely + self.numbers.code_signed(self.coder, SOURCES)
            check(0 <= source < old_count, "a section that is not there")
        values = dict(guess)
        for number, field in enumerate(FIELDS):
            values[field] = self.number(forecast.candidates(field, index, source, values), number)
        result = as_section(values)
        check(source != likely or result.encoded() != as_section(guess).encoded(),
              "a foretold section that is coded")
        forecast.add(values, source)
        return result, source

    def segments(self, sections, sources):
        size = elf.SEGMENT_SIZE
        old = self.base.segments if self.base else b""
        count = self.count(len(old) // size, elf.MAXIMUM_SEGMENTS, SEGMENT_COUNT)
        result = b""
        for index in range(count):
            guess = segment_forecast(old[index * size:(index + 1) * size], self.base, sections, sources)
            segment = bytearray(guess)
            if self.flag(20, 0):
                for number, (offset, width) in enumerate(SEGMENT_FIELDS):
                    candidates = [little(guess, offset, width)]
                    if offset == 24:
                        candidates = [little(segment, 16, 8)]
                    elif offset == 40:
                        candidates = [little(segment, 32, 8), little(guess, 40, 8)]
                    store(segment, offset, width, self.number(candidates, 16 + number))
                check(segment != guess, "a foretold segment that is coded")
            result += segment
        return result

    def header(self, sections, segment_count, sources, end):
        guess = bytearray(self.base.header if self.base else bytes(elf.HEADER_SIZE))
        names = little(guess, 62, 2)
        store(guess, 40, 8, 0 if not sections else end + 7 & MASK64 & ~7)
        store(guess, 56, 2, segment_count)
        store(guess, 60, 2, len(sections))
        store(guess, 62, 2, sources.index(names) if names in sources else 0)
        if self.flag(21, 0):
            for offset in range(len(guess)):
                if self.flag(22, 0):
                    change = self.numbers.code(self.coder, BYTE_CHANGES)
                    check(0 < change < 256, "no change of a byte")
                    guess[offset] = guess[offset] + change & 255
        return bytes(guess)


def store(data, offset, width, value):
    data[offset:offset + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")


def as_section(values):
    section = Section()
    for name, _, width in Section.FIELDS:
        setattr(section, name, values[name] & (1 << 8 * width) - 1)
    return section


def as_numbers(section):
    return {field: getattr(section, field) for field in FIELDS}


def aligned(value, alignment):
    if alignment <= 1 or alignment & alignment - 1:
        return value
    return (value + alignment - 1 & MASK64) & ~(alignment - 1)


def advance(end, numbers):
    """Where file and memory end behind a section, if they ended at `end` before it."""
    offset, address = end
    is_empty = numbers["type"] in (elf.NOBITS, elf.NULL)
    if numbers["flags"] & elf.ALLOC and not (is_empty and numbers["flags"] & elf.TLS):
        address = numbers["address"] + numbers["size"] & MASK64
    offset = numbers["offset"] + (0 if is_empty else numbers["size"]) & MASK64
    return offset, address


class SectionForecast:
    """What a linker does when sections grow and shrink."""

    def __init__(self, base):
        self.old = [as_numbers(section) for section in base.sections] if base else []
        self.old_ends = []
        end = (0, 0)
        for numbers in self.old:
            self.old_ends.append(end)
            end = advance(end, numbers)
        self.end = (0, 0)
        self.name_shift = 0

    def add(self, numbers, source):
        self.end = advance(self.end, numbers)
        if 0 <= source < len(self.old):
            self.name_shift = numbers["name"] - self.old[source]["name"] & MASK64

    def candidates(self, field, index, source, known):
        if not 0 <= source < len(self.old):
            return self.unpaired(field, known)
        old = self.old[source]
        shifted = old[field] + index - source & MASK64 if old[field] else 0
        if field == "address":
            return self.addresses(old, source, known)
        if field == "offset":
            return self.offsets(old, source, known)
        if field == "name":
            return [old["name"] + self.name_shift & MASK64, old["name"]]
        if field == "link" or field == "info" and old["flags"] & elf.INFO_LINK:
            return [shifted, old[field]]
        return [old[field]]

    def unpaired(self, field, known):
        if field == "type":
            return [elf.PROGBITS]
        if field == "alignment":
            return [1, 8, 16]
        if field == "address":
            is_allocated = known["flags"] & elf.ALLOC
            return [aligned(self.end[1], known["alignment"]) if is_allocated else 0]
        if field == "offset":
            return [aligned(self.end[0], known["alignment"])]
        return [0]

    def addresses(self, old, source, known):
        if not known["flags"] & elf.ALLOC:
            return [old["address"]]
        distance = self.end[1] - self.old_ends[source][1] & MASK64
        moved = old["address"] + distance & MASK64
        following = aligned(self.end[1], known["alignment"])
        gap = old["address"] - self.old_ends[source][1] & MASK64
        if gap < max(1, known["alignment"]):
            return [following, old["address"], moved]
        pages = (distance + 2048 & MASK64) & ~4095
        return [old["address"], old["address"] + pages & MASK64, moved, following]

    def offsets(self, old, source, known):
        before = self.old_ends[source][0]
        moved = old["offset"] + self.end[0] - before & MASK64
        following = aligned(self.end[0], known["alignment"])
        is_adjacent = (old["offset"] - before & MASK64) < max(1, known["alignment"])
        if known["flags"] & elf.ALLOC:
            page = known["address"] - old["address"] + old["offset"] & MASK64
            return [following, page, moved] if is_adjacent else [page, following, moved]
        return [following, moved] if is_adjacent else [moved, following]


def segment_forecast(old, base, sections, sources):
    """What became of the program header `old`, 56 bytes or none."""
    if len(old) != elf.SEGMENT_SIZE:
        return bytes(elf.SEGMENT_SIZE)
    result = bytearray(old)
    offset, address, physical = little(old, 8, 8), little(old, 16, 8), little(old, 24, 8)
    in_file, in_memory = little(old, 32, 8), little(old, 40, 8)
    pairs = [(base.sections[source], section) for section, source in zip(sections, sources)
             if 0 <= source < len(base.sections)]
    new_address, new_offset = address, offset
    for before, after in pairs:
        if address > 0 and before.is_allocated and before.address == address and before.size > 0:
            new_address, new_offset = after.address, after.offset
            break

    def size(old_size, is_in_file):
        end = address + old_size & MASK64
        for before, after in reversed(pairs):
            if (before.is_allocated and before.size > 0 and not (is_in_file and before.has_no_bytes)
                    and before.address + before.size & MASK64 == end):
                return after.address + after.size - new_address & MASK64
        # A size that ends at a page: the end stays there.
        return end - new_address & MASK64 if end & 4095 == 0 else old_size

    store(result, 8, 8, new_offset)
    store(result, 16, 8, new_address)
    store(result, 24, 8, new_address if physical == address else physical)
    store(result, 32, 8, size(in_file, True))
    store(result, 40, 8, size(in_memory, False))
    return bytes(result)
