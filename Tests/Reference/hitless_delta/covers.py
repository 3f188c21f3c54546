"""Covers: where stretches of the target stand in the base (docs/format.md, "Delta codec 1: covers")."""
import prior
from coder import check
from models import FlagModel, NumberModel, mix, start

PARALLEL, CONTIGUOUS, ELSEWHERE = range(3)
NUMBER_LIMIT = 1 << 40
# Longer gaps are all the same to the flags.
GAP_LIMIT = 16


class Cover:
    def __init__(self, target, base, count):
        self.target, self.base, self.count = target, base, count
        self.diagonal = base - target
        self.target_end, self.base_end = target + count, base + count


class CoverDecoder:
    def __init__(self, coder, starts, target_size, base_size):
        self.coder, self.starts = coder, starts
        self.target_size, self.base_size = target_size, base_size
        self.gaps, self.counts = NumberModel(9, prior.GAPS), NumberModel(6, prior.COUNTS)
        self.jumps = NumberModel(4, prior.JUMPS)
        self.choices = FlagModel(12, 8, 3, prior.COURSES)
        self.last = Cover(0, 0, 0)
        self.earlier_diagonal = 0
        self.last_gap = 0
        # Courses of the last two covers, the last one first.
        self.courses = (PARALLEL, PARALLEL)

    def next(self):
        last = self.last
        gap = self.gaps.code(self.coder, self.courses[0] * 3 + self.courses[1],
                             last.count.bit_length(), self.last_gap.bit_length())
        check(gap < NUMBER_LIMIT, "a cover that leaves its file")
        self.last_gap = gap
        target = last.target_end + gap
        course = PARALLEL
        if self.choice(0, gap):
            course = ELSEWHERE
            base = self.jump(target)
        elif self.choice(1, gap):
            base = target + last.diagonal
        else:
            course = CONTIGUOUS
            base = last.base_end
        check(0 <= base <= self.base_size, "a cover that leaves its file")
        cover = Cover(target, base, self.count(base, course))
        check(cover.count > 0 and cover.base_end <= self.base_size
              and cover.target_end <= self.target_size, "a cover that leaves its file")
        check(course == self.course_of(cover), "a course that is another")
        if cover.diagonal != last.diagonal:
            self.earlier_diagonal = last.diagonal
        self.courses = (course, self.courses[0])
        self.last = cover
        return cover

    def course_of(self, cover):
        if cover.diagonal == self.last.diagonal:
            return PARALLEL
        return CONTIGUOUS if cover.base == self.last.base_end else ELSEWHERE

    def choice(self, number, gap):
        begin = start(number)
        contexts = [mix(begin, *self.courses), mix(begin, self.courses[0], gap == 0),
                    mix(begin, min(gap, GAP_LIMIT))]
        return self.choices.code(self.coder, contexts, number)

    def signed(self, number):
        value = self.jumps.code_signed(self.coder, number, self.last_gap.bit_length())
        check(abs(value) < NUMBER_LIMIT, "a cover that leaves its file")
        return value

    def jump(self, target):
        is_far = self.choice(2, 1)
        origin = target + (self.earlier_diagonal if is_far else self.last.diagonal)
        is_start = self.choice(3, int(is_far))
        number = int(is_far) + 2 * int(is_start)
        if is_start:
            base = self.starts.select(self.starts.rank(origin) + self.signed(number))
            check(base is not None, "a cover that leaves its file")
        else:
            base = origin + self.signed(number)
        near, far = base - target - self.last.diagonal, base - target - self.earlier_diagonal
        check(is_far == (abs(far) < abs(near) // 2), "a distance from the wrong diagonal")
        check(is_start == self.starts.contains(base), "a start that is not said to be one")
        return base

    def count(self, base, course):
        is_start = self.choice(4, course)
        value = self.counts.code(self.coder, course * 2 + is_start, self.last_gap.bit_length(),
                                 self.last.count.bit_length())
        check(value < NUMBER_LIMIT, "a cover that leaves its file")
        if is_start:
            # The first start behind the cover's own is number 0.
            end = self.starts.select(self.starts.rank(base + 1) + value)
            check(end is not None, "a cover that leaves its file")
            return end - base
        check(not self.starts.contains(base + value + 1), "an end that is not said to be a start")
        return value + 1
