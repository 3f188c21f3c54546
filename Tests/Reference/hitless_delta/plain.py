"""A target that is coded by itself (docs/format.md, "Delta codec 3: plain")."""
import prior
from coder import SQUASH, STRETCH, STRETCH_LIMIT, check
from inserts import TextWalk, at
from layout import little
from models import GOLDEN, FlagModel, NumberModel, ProbabilityMap, context, learn, mix, start, updated, weighted

LONGEST_PERIOD = 255
NOISE_BLOCK, RUN = 256, 64
CONTEXTS, INPUTS = 24, 28
LINE_BYTES = 16
# By the smaller count of a history how large the other can be.
LIMITS = [30, 30, 12, 6, 5, 5]
MEANING_LIMIT, MEANING_START = 255, 60
TRUST_START = 3 << 30 | 3
WEIGHT, OPINION = 6500, 21_845
RATE_AT_LAST, HASTE, HASTE_TIME, FINAL_RATE = 30, 200, 2048, 6
SUREST = 16
LENGTHS = 16
LONG_ORDER, SHORT_ORDER, LONG_REACH, SHORT_REACH = 6, 4, 32, 20
TRUSTED, PATIENCE, SURE = 16, 8, 32
LONGEST_MATCH = 31
REPEAT_BITS, RECENT_BITS, RECENT_COUNT, LONGEST_GAP, LONGEST_BEFORE_REPEAT = 12, 10, 4, 255, 32


def followed(history, bit):
    """A history (zeros, ones, last) after `bit`."""
    same, other = history[bit], history[1 - bit]
    other = other if other < 3 else other.bit_length()
    same = min(same + 1, LIMITS[other])
    return (other, same, 1 if other else 0) if bit else (same, other, 0)


def meaning(history):
    """What a history means at first."""
    zeros, ones, _ = history
    return ((2 * ones + 1 << 21) // (zeros + ones + 1)) << 10 | MEANING_START


UNSEEN_HISTORY = (0, 0, 0)


class HistoryTable:
    """Lines of a check and the 15 nodes of half a byte; those that nobody has made have no entry."""

    def __init__(self, bits):
        self.lines = {}
        self.mask = (1 << bits) - 1

    def line(self, hash):
        first = hash & 0xFFFFFFFF & self.mask
        check = max(1, hash >> 56)
        for place in (first, first ^ 1):
            if place in self.lines and self.lines[place][0] == check:
                return self.lines[place]
        place = min((first, first ^ 1), key=self.total)
        # In place: who has found the line before for the same half of a byte goes on with it.
        line = self.lines.setdefault(place, [])
        line[:] = [check] + [UNSEEN_HISTORY] * 15
        return line

    def total(self, place):
        return sum(self.lines[place][1][:2]) if place in self.lines else 0


class Guess:
    def __init__(self):
        self.byte = self.length = self.context = self.hits = 0


class Matches:
    """Guesses of the next byte: behind the longest match, and behind the last place of four bytes."""

    def __init__(self, bits):
        self.long, self.short = Guess(), Guess()
        self.long_places, self.short_places = {}, {}
        self.shift = 64 - bits
        self.match = self.matched = self.misses = 0

    def slot(self, value):
        return value * GOLDEN % (1 << 64) >> self.shift

    def search(self, place, target):
        self.short.length = 0
        if place >= LONG_ORDER:
            four = little(target, place - 4, 4)
            self.search_long(place, self.slot(four << 16 | target[place - 5] << 8 | target[place - 6]), target)
            self.search_short(place, self.slot(four + 1), target)
        long = self.long
        long.length = self.matched or int(self.misses > 0)
        if long.length:
            long.byte = target[self.match]
            steps = min(self.matched, 15) + sum(self.matched >= limit for limit in (24, 32, 64))
            long.context = steps << 3 | long.hits & 7

    def search_long(self, place, slot, target):
        candidate = self.long_places.get(slot, 0)
        self.long_places[slot] = place
        if self.matched < TRUSTED and candidate:
            count = agreement(candidate, place, target, LONG_REACH)
            if count >= LONG_ORDER and count > self.matched:
                self.match, self.matched, self.misses = candidate, count, 0

    def search_short(self, place, slot, target):
        candidate = self.short_places.get(slot, 0)
        self.short_places[slot] = place
        if candidate and not (self.matched and candidate == self.match):
            count = agreement(candidate, place, target, SHORT_REACH)
            if count >= SHORT_ORDER:
                self.short.byte, self.short.length = target[candidate], count
                self.short.context = count << 3 | self.short.hits & 7

    def add(self, byte):
        for guess in (self.long, self.short):
            if guess.length:
                guess.hits = guess.hits << 1 & 7 | (byte == guess.byte)
        if not self.long.length:
            return
        self.match += 1
        if byte == self.long.byte:
            self.matched += 1
            if self.matched >= TRUSTED:
                self.misses = 0
        else:
            self.matched = 0
            self.misses = self.misses + 1 if self.misses < PATIENCE else 0


def agreement(other, place, target, most):
    count = 0
    while count < min(most, other) and target[other - 1 - count] == target[place - 1 - count]:
        count += 1
    return count


class PlainBytes:
    """Bytes, bit by bit from the highest, from the histories of contexts and from guesses."""

    def __init__(self, coder, bits):
        self.coder = coder
        self.table = HistoryTable(bits)
        self.meanings = [{} for _ in range(CONTEXTS)]
        self.trust = [[TRUST_START] * 256, [TRUST_START] * 256]
        sets = [3 * LENGTHS + 3, 256, CONTEXTS + 1]
        self.weights = [([WEIGHT] * INPUTS + [0]) * count for count in sets]
        self.opinions = ([OPINION] * 3 + [0]) * sets[0]
        self.path_map, self.guess_map = ProbabilityMap(256), ProbabilityMap(sets[0] << 3)
        self.coded = 0

    def code(self, contexts, guesses):
        path = 1
        for half in range(2):
            above = path if half else 0
            lines = [self.table.line(mix(hash, index << 8 | above)) for index, hash in enumerate(contexts)]
            node = 1
            for _ in range(4):
                bit = self.bit(lines, node, path, guesses)
                node = node << 1 | bit
                path = path << 1 | bit
        return path & 255

    def bit(self, lines, node, path, guesses):
        inputs = [0] * INPUTS
        seen = 0
        for index, line in enumerate(lines):
            history = line[node]
            if history != UNSEEN_HISTORY:
                inputs[index] = STRETCH[self.meaning(index, history) >> 16]
                seen += 1
        shift = 8 - path.bit_length()
        # What the guesses expect, or None where the byte is already another one.
        expected = [guess.byte >> shift & 1 if guess.length and (guess.byte | 256) >> shift + 1 == path else None
                    for guess in guesses]
        for number, (guess, bit) in enumerate(zip(guesses, expected)):
            if bit is not None:
                probability = self.trust[number][guess.context] >> 16
                for place, value in enumerate((STRETCH[probability], probability - 32768 >> 7)):
                    inputs[CONTEXTS + 2 * number + place] = value if bit else -value
        length = min(guesses[0].length, LENGTHS - 1)
        agreement = 0 if expected[1] is None else 1 if expected[0] in (None, expected[1]) else 2
        number = (0 if expected[0] is None else length) * 3 + agreement
        firsts = [number * (INPUTS + 1), path * (INPUTS + 1), seen * (INPUTS + 1)]
        sums = [weighted(inputs, weights, first) for weights, first in zip(self.weights, firsts)]
        total = weighted(sums, self.opinions, number * 4)
        mixed = SQUASH[total + STRETCH_LIMIT]
        line = number << 3 | shift
        refined = self.path_map.refined(total, path) + self.guess_map.refined(total, line)
        bit = self.coder.bit(max(SUREST, min(65536 - SUREST, 2 * mixed + refined + 2 >> 2)))
        self.path_map.learn(total, path, bit)
        self.guess_map.learn(total, line, bit)
        for index, history in enumerate(row[node] for row in lines):
            self.meanings[index][history] = updated(self.meaning(index, history), bit, MEANING_LIMIT)
        for row in lines:
            row[node] = followed(row[node], bit)
        for number_of, (guess, value) in enumerate(zip(guesses, expected)):
            if value is not None:
                trust = self.trust[number_of]
                trust[guess.context] = updated(trust[guess.context], value == bit, MEANING_LIMIT)
        self.coded += 1
        rate = RATE_AT_LAST + HASTE * HASTE_TIME // (HASTE_TIME + self.coded)
        for weights, first, opinion in zip(self.weights, firsts, sums):
            learn(inputs, weights, first, bit, SQUASH[opinion + STRETCH_LIMIT], rate)
        learn(sums, self.opinions, number * 4, bit, mixed, FINAL_RATE)
        return bit

    def meaning(self, index, history):
        return self.meanings[index].get(history) or meaning(history)


class Repeats:
    """Bytes that are told by where they were before."""

    def __init__(self, coder):
        self.coder = coder
        self.flags = FlagModel(REPEAT_BITS, 1, 3, prior.NOTHING)
        self.lengths, self.distances = NumberModel(1, prior.NOTHING), NumberModel(1, prior.NOTHING)
        self.recent_flags = FlagModel(RECENT_BITS, RECENT_COUNT, 2, prior.NOTHING)
        self.recent = [0] * RECENT_COUNT
        self.end = self.last_gap = self.sames = 0

    def code(self, place, size, matched, is_noise):
        """Length and distance, or None where there is no repeat."""
        gap = min(place - self.end, LONGEST_GAP)
        contexts = [context(0, gap << 8 | self.last_gap), context(1, gap),
                    context(2, min(matched, LONGEST_BEFORE_REPEAT) << 1 | is_noise)]
        if not self.flags.code(self.coder, contexts, 0):
            return None
        length = self.lengths.code(self.coder, 0, min(gap, 1))
        index = self.recent_index(gap)
        if index is None:
            distance = self.distances.code(self.coder, 0, length.bit_length(), min(gap, 1)) + 1
            check(distance not in self.recent, "a distance")
        else:
            distance = self.recent.pop(index)
            check(distance > 0, "a distance")
        check(length < size - place and distance <= place, "a repeat")
        self.recent = [distance, *self.recent][:RECENT_COUNT]
        self.last_gap, self.end = gap, place + length + 1
        return length + 1, distance

    def recent_index(self, gap):
        """Which of the last distances comes, or None for another one."""
        for number, answer in enumerate((0, None, 1, 2)):
            contexts = [context(0, gap, number), context(1, self.sames, number)]
            is_this = self.recent_flags.code(self.coder, contexts, number)
            if number == 0:
                self.sames = self.sames << 1 & 15 | is_this
            if is_this:
                return answer
        return RECENT_COUNT - 1


class Plain:
    def __init__(self, coder, size, shape):
        self.coder, self.size, self.period = coder, size, shape >> 1
        self.repeats = Repeats(coder) if shape & 1 else None
        width = size.bit_length()
        self.bytes = PlainBytes(coder, min(20, max(12, width + 5)))
        self.matches = Matches(min(20, max(10, width)))
        self.text = TextWalk()
        self.noise_flags = FlagModel(8, 1, 3, prior.NOTHING)
        self.run_flags = FlagModel(8, 1, 3, prior.NOTHING)
        self.noises = self.runs = self.next_run = self.noise_end = 0
        self.is_noise = False

    def decode(self):
        target = bytearray(self.size)
        place = 0
        while place < self.size:
            self.matches.search(place, target)
            if place >= self.noise_end:
                self.noise_flag(place)
            length = self.repeat(place, target)
            if length:
                place += length
                continue
            if not self.is_noise and self.run(place, target):
                place += RUN
                continue
            target[place] = self.coder.raw(8) if self.is_noise else self.byte(place, target)
            self.matches.add(target[place])
            self.text.add(target[place], place)
            place += 1
        self.coder.check_end()
        return bytes(target)

    def noise_flag(self, place):
        self.is_noise = False
        if self.matches.matched < SURE:
            self.noise_end = (place // NOISE_BLOCK + 1) * NOISE_BLOCK
            contexts = [context(number, self.noises & mask) for number, mask in enumerate((1, 15, 255))]
            self.is_noise = self.noise_flags.code(self.coder, contexts, 0)
            self.noises = self.noises << 1 & 255 | self.is_noise

    def repeat(self, place, target):
        """How many bytes from `place` on are told by where they were, and written; 0 for none."""
        found = self.repeats and self.repeats.code(place, self.size, self.matches.matched, self.is_noise)
        if not found:
            return 0
        length, distance = found
        for index in range(place, place + length):
            target[index] = target[index - distance]
            self.text.add(target[index], index)
        self.matches.matched = self.matches.misses = 0
        return length

    def run(self, place, target):
        """Whether the bytes from `place` on go on as where the match is; if so, writes them."""
        matches = self.matches
        if matches.matched < SURE or place < self.next_run or self.size - place < RUN:
            return False
        contexts = [context(0, self.runs & 15), context(1, matches.matched.bit_length()), start(2)]
        goes_on = self.run_flags.code(self.coder, contexts, 0)
        self.runs = self.runs << 1 & 15 | goes_on
        if not goes_on:
            self.next_run = place + RUN
            return False
        for index in range(place, place + RUN):
            target[index] = target[matches.match]
            self.text.add(target[index], index)
            matches.match += 1
        matches.matched += RUN
        return True

    def byte(self, place, target):
        long, short = self.matches.long, self.matches.short
        one, two, three, four, five, six = (at(target, place - back) for back in range(1, 7))
        column = place % self.period
        above, above_that, above_left = (
            at(target, place - back) for back in (self.period, 2 * self.period, self.period + 1))
        line, counted = self.text.above(place, target)
        expected = long.byte | 256 if long.length > 1 else 0
        recent = short.byte | 256 if short.length else 0
        word, before = self.text.word, self.text.word_before
        last = little(target, place - 4, 4)
        items = [
            (column,), (one,), (last >> 16,), (last >> 8,), (last,), (last, five), (last, five << 8 | six),
            (expected << 8 | min(long.length, LONGEST_MATCH),), (expected << 8 | one,), (expected << 9 | recent,),
            (above << 8 | column,), (above << 16 | one << 8 | above_left, column),
            (2 * above - above_that & 255, column), (above + one - above_left & 255, column),
            (column << 8 | one,), (above << 8 | above_that, column),
            (two,), (two << 8 | three,), (three << 8 | four,),
            (line, min(place - self.text.line, 255)), (line << 8 | one, counted),
            (self.text.field, self.text.field_hash), (word, one), (word, before),
        ]
        contexts = [context(number, *values) for number, values in enumerate(items)]
        return self.bytes.code(contexts, [long, short])
