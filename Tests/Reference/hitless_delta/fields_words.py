"""Code of fixed-width words: which hold addresses, and how (docs/format.md, "Words").

One object per instruction set, all with the same methods: `effect`, `pair`, `target`, `word`, `masked`,
`instruction_class`.
"""
import words_arm
import words_loong
import words_risc
from kinds import BAD, FIRST, START
from layout import number

# How far apart the halves of an address pair may stand, in bytes.
PAIR_REACH = 1024
RISC_BLOCK, RISC_APPROACH = 512, 64

SETS = {183: words_arm.Arm(), 258: words_loong.Loong(), 243: words_risc.Risc()}


class PairTracker:
    """Which registers hold a page, and where they got it."""

    def __init__(self, words, partners):
        self.words, self.partners = words, partners
        # By register: place and kind of the instruction, and whether its page has no partner yet.
        self.held = {}
        self.fresh = set()

    def step(self, word, place):
        """Follows the instruction at `place`; returns the kind of its word."""
        effect = self.words.effect(word)
        kind = effect.kind
        if effect.base in self.held:
            page, page_kind = self.held[effect.base]
            low = self.words.pair(effect.low, page_kind, place - page)
            if place - page <= PAIR_REACH and low is not None:
                kind = low
                self.partners[place >> 2] = page - place
                if effect.base in self.fresh:
                    self.fresh.remove(effect.base)
                    self.partners[page >> 2] = place - page
        for register in [register for register in self.held if effect.cleared >> register & 1]:
            del self.held[register]
            self.fresh.discard(register)
        if effect.page is not None and effect.page != self.words.zero:
            self.held[effect.page] = (place, effect.kind)
            self.fresh.add(effect.page)
        return kind


def mark(words, data, section, kinds, partners):
    """Writes the kinds of an executable section, and for each four bytes how far away the partner is of
    the word that begins in them."""
    step = words.step
    first = min(-(-section[0] // step) * step, section[1])
    last = max(section[1] // step * step, first)
    for place in (*range(section[0], first), *range(last, section[1])):
        kinds[place] = BAD | FIRST | START
    tracker = PairTracker(words, partners)
    if step == 2:
        mark_risc(data, first, last, tracker, kinds)
        return
    for place in range(first, last, 4):
        kind = tracker.step(number(data, place, 4), place)
        put(kinds, kind, place, 4)


def put(kinds, kind, place, count):
    kinds[place:place + count] = bytes([kind | FIRST | START]) + bytes([kind]) * (count - 1)


def mark_risc(data, first, last, tracker, kinds):
    """The way through RISC-V code, found anew in every block."""
    def size(place):
        return 4 if data[place] & 3 == 3 else 2

    def entry(block):
        if block <= first:
            return first
        place = max(first, block - RISC_APPROACH)
        while place < block and place < last:
            place += size(place)
        return place

    block = first // RISC_BLOCK * RISC_BLOCK
    place = first
    while block < last:
        block += RISC_BLOCK
        stop = entry(block) if block < last else last
        while place < stop:
            count = size(place)
            if count == 4 and place + 4 > stop:
                put(kinds, words_risc.HALF, place, 2)
                place += 2
                continue
            put(kinds, tracker.step(number(data, place, count), place), place, count)
            place += count
