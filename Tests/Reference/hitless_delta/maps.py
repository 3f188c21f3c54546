"""Where bytes and addresses of the base went (docs/format.md, "Delta codec 1: maps")."""
import heapq
from bisect import bisect_right, insort

from layout import MASK64

COVERED, UNCOVERED, UNBACKED, OUTSIDE, LEARNED, NEAR = range(6)
# The nearest learned address below counts within these distances.
NEAR_REACH, UNBACKED_REACH = 4096, 1 << 20
LEARNED_LIMIT = 1 << 17


class PositionMap:
    """The covers, seen from the base; where they overlap, the longest (of those, the first) counts."""

    def __init__(self, covers):
        # (start, end, shift), ascending and apart.
        self.segments = []
        order = sorted(range(len(covers)), key=lambda index: (covers[index].base, -covers[index].count))
        heap = []
        place = following = 0
        while following < len(order) or heap:
            if not heap:
                place = max(place, covers[order[following]].base)
            while following < len(order) and covers[order[following]].base <= place:
                index = order[following]
                heapq.heappush(heap, (-covers[index].count, index))
                following += 1
            while heap and covers[heap[0][1]].base_end <= place:
                heapq.heappop(heap)
            if not heap:
                continue
            longest = covers[heap[0][1]]
            end = longest.base_end
            if following < len(order):
                end = min(end, covers[order[following]].base)
            self.append(place, end, -longest.diagonal)
            place = end
        self.ends = [segment[1] for segment in self.segments]

    def append(self, start, end, shift):
        if self.segments and self.segments[-1][1:] == (start, shift):
            self.segments[-1] = (self.segments[-1][0], end, shift)
        else:
            self.segments.append((start, end, shift))

    def first_ending_after(self, place):
        return bisect_right(self.ends, place)

    def target(self, place):
        """Where the byte at `place` of the base went, or None."""
        index = self.first_ending_after(place)
        if index < len(self.segments) and self.segments[index][0] <= place:
            return place + self.segments[index][2]
        return None


class AddressMap:
    """Where addresses of the base went; `mapped` and `known` give (first, second, source)."""

    def __init__(self, old, new, counterparts, positions):
        self.old, self.new = old, new
        self.counterparts, self.positions = counterparts, positions
        self.learned = {}
        self.learned_places = []

    def mapped(self, address):
        """The answer with what was learned."""
        first, second, source = self.known(address)
        index = bisect_right(self.learned_places, address) - 1
        if index < 0:
            return first, second, source
        seen = self.learned_places[index]
        if seen == address:
            return self.learned[seen], first, LEARNED
        reach = UNBACKED_REACH if source == UNBACKED else NEAR_REACH
        if source != COVERED and address - seen <= reach and self.is_one_section(seen, address):
            return address + self.learned[seen] - seen & MASK64, first, NEAR
        return first, second, source

    def is_one_section(self, one, other):
        if self.old is None:
            return True
        return self.old.section_at_address(one) == self.old.section_at_address(other)

    def learn(self, address, target):
        if self.new is None or self.new.section_at_address(target) is None:
            return
        if address not in self.learned:
            if len(self.learned) >= LEARNED_LIMIT:
                return
            insort(self.learned_places, address)
        self.learned[address] = target

    def known(self, address):
        """The answer by covers and sections alone."""
        section = None if self.old is None else self.old.section_at_address(address)
        if section is None:
            end = self.beyond(address)
            return end, end, OUTSIDE
        header = self.old.sections[section]
        offset = address - self.old.address_of(section)
        if header.has_no_bytes:
            start = self.start_of(section)
            found = address if start is None else start + offset & MASK64
            return found, found, UNBACKED
        place = header.offset + offset
        index = self.positions.first_ending_after(place)
        segments = self.positions.segments
        if index < len(segments) and segments[index][0] <= place:
            found = self.new_address(place + segments[index][2])
            if found is not None:
                return found, found, COVERED
        return self.neighbouring(place, index, section, offset)

    def beyond(self, address):
        """An address at the very end of a section goes to the end of its counterpart."""
        section = None
        if address > 0 and self.old is not None:
            section = self.old.section_at_address(address - 1)
        if section is None or self.counterparts[section] < 0:
            return address
        counterpart = self.counterparts[section]
        return self.new.address_of(counterpart) + self.new.sections[counterpart].size & MASK64

    def neighbouring(self, place, index, section, offset):
        """No cover has `place`: it moved as far as the covers around it, or as its section."""
        header = self.old.sections[section]
        segments = self.positions.segments
        candidates = []
        if index > 0 and segments[index - 1][1] > header.offset:
            candidates.append(self.new_address(place + segments[index - 1][2]))
        if index < len(segments) and segments[index][0] < header.offset + header.size:
            candidates.append(self.new_address(place + segments[index][2]))
        start = self.start_of(section)
        candidates.append(None if start is None else start + offset & MASK64)
        candidates = [candidate for candidate in candidates if candidate is not None]
        if not candidates:
            candidates = [self.old.address_of(section) + offset & MASK64]
        return candidates[0], candidates[min(1, len(candidates) - 1)], UNCOVERED

    def new_address(self, place):
        return None if self.new is None else self.new.address_of_offset(place)

    def start_of(self, section):
        counterpart = self.counterparts[section]
        return self.new.address_of(counterpart) if counterpart >= 0 else None
