"""Tables of the target that follow from other bytes of it (docs/format.md, "Delta codec 1: derived tables")."""
import layout as elf
from fields_tables import common_entry, common_place, frame_record, is_common
from layout import number, signed, signed32

MAXIMUM_FRAMES = 1 << 22
MAXIMUM_HASHED = 1 << 26


def words(values, size):
    return b"".join((value & (1 << 8 * size) - 1).to_bytes(size, "little") for value in values)


def frame_header(layout, section, data):
    """The bytes of .eh_frame_hdr, or None."""
    if elf.FRAMES not in layout.roles:
        return None
    frames = layout.roles.index(elf.FRAMES)
    start, end = layout.owned[section]
    if not layout.is_whole(section) or not layout.is_whole(frames) or end - start < 12:
        return None
    address, frames_address = layout.address_of(section), layout.address_of(frames)
    maximum = min((end - start - 12) // 8, MAXIMUM_FRAMES)
    entries = frame_entries(data, layout.owned[frames], frames_address - address, maximum)
    if entries is None:
        return None
    # Sorting is stable: of entries with equal addresses, the order of the FDEs stays.
    entries.sort(key=lambda entry: signed(entry[0], 32))
    table = bytes([1, 0x1B, 3, 0x3B]) + words([frames_address - address - 4, len(entries)], 4)
    table += words([value for entry in entries for value in entry], 4)
    return table.ljust(end - start, b"\0")


def frame_entries(data, source, distance, maximum):
    """For each FDE where its code and itself are, relative to the header; None when one is not
    understood."""
    start, end = source
    place = start
    entries = []
    while (record := frame_record(data, place, end)) is not None:
        place = record.end
        if record.end - record.identifier < 4 or is_common(data, record):
            continue
        common = common_place(data, record, start)
        entry = None if common is None else common_entry(data, common, end)
        if entry is None or not entry.has_relative_code or record.end - record.identifier < 12:
            return None
        if len(entries) >= maximum:
            return None
        field = record.identifier + 4
        entries.append((distance + field - start + signed32(data, field), distance + record.start - start))
    return entries


def linked(layout, section, role):
    """The section that this one links to if it has the role and all its bytes, or None."""
    index = layout.sections[section].link
    if layout.role(index) != role or not layout.is_whole(index):
        return None
    return index


def gnu_hash(layout, section, data):
    """The bytes of .gnu.hash, of which the first 16 are there already; or None."""
    start, end = layout.owned[section]
    symbols = linked(layout, section, elf.SYMBOLS)
    if not layout.is_whole(section) or end - start < 16 or symbols is None:
        return None
    strings = linked(layout, symbols, elf.STRINGS)
    if strings is None:
        return None
    bucket_count, first, word_count, shift = (number(data, start + 4 * index, 4) for index in range(4))
    table, table_end = layout.owned[symbols]
    count = max((table_end - table) // 24 - first, 0)
    if bucket_count == 0 or word_count == 0:
        return None
    if 16 + 8 * word_count + 4 * bucket_count + 4 * count != end - start:
        return None
    names = [number(data, table + 24 * (first + index), 4) for index in range(count)]
    hashes = name_hashes(data, layout.owned[strings], names)
    if hashes is None:
        return None
    bloom, buckets, chain = [0] * word_count, [0] * bucket_count, []
    for index, value in enumerate(hashes):
        second = value >> shift if shift < 32 else 0
        bloom[value // 64 % word_count] |= 1 << (value & 63) | 1 << (second & 63)
        bucket = value % bucket_count
        if buckets[bucket] == 0:
            buckets[bucket] = first + index
        is_last = index + 1 == count or hashes[index + 1] % bucket_count != bucket
        chain.append(value | 1 if is_last else value & ~1)
    return bytes(data[start:start + 16]) + words(bloom, 8) + words(buckets + chain, 4)


def name_hashes(data, strings, names):
    left = MAXIMUM_HASHED
    hashes = []
    for name in names:
        place = strings[0] + name
        end = data.find(0, place, strings[1])
        if end < 0 or end - place >= left:
            return None
        value = 5381
        for byte in data[place:end]:
            value = value * 33 + byte & 0xFFFFFFFF
        left -= end - place
        hashes.append(value)
    return hashes
