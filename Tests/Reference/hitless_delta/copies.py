"""Covered bytes that differ from what was foretold (docs/format.md, "Delta codec 1: contents")."""
import kinds
import prior
from coder import check
from models import ByteModel, FlagModel, context, mix, start
from names import RegisterNames, at


class CopyModel:
    def __init__(self, coder, table, bits):
        self.coder, self.table = coder, table
        self.block_flags = FlagModel(14, 128, 5, prior.BLOCKS)
        self.field_flags = FlagModel(bits, 32, 10, prior.FIELDS)
        self.byte_flags = FlagModel(bits, 128, 10, prior.BYTES)
        self.renamed_flags = FlagModel(12, 8, 5, prior.RENAMINGS)
        self.bytes = ByteModel(64, 13, prior.CHANGED_BYTES)
        self.addresses = ByteModel(128, 6, prior.ADDRESSES)
        # One bit per block, token and token that is a reference, the last one lowest: a difference.
        self.blocks = self.misses = self.address_misses = 0
        # What became of registers (x86-64), and one bit per byte that differed where they were renamed, the
        # last one lowest: it became what was foretold.
        self.names = RegisterNames()
        self.renamings = 0
        # By kind, by how much the last byte that differed had changed.
        self.changes = [0] * kinds.COUNT

    def block_differs(self, role, risk, references, count, is_first, is_last):
        last = self.blocks & 3
        edge = int(is_first) | int(is_last) << 1
        contexts = [
            context(0, role << 8 | last << 4 | risk),
            context(1, self.blocks & 255, role),
            context(2, min(references, 7) << 8 | risk << 4 | last & 1),
            context(3, role << 8 | edge << 6 | min(count >> 3, 15)),
            context(4, self.blocks & 0xFFFF, risk),
        ]
        result = self.block_flags.code(self.coder, contexts, role << 2 | last)
        self.blocks = self.blocks << 1 & 0xFFFF | result
        return result

    def choice(self, prediction, role, opcode):
        """Which candidate a field became; their number if it is none of them."""
        kind, source = prediction.kind, prediction.source
        begin = start(10)
        misses = self.misses
        index = 0
        while index < len(prediction.candidates):
            state = mix(begin, kind << 8 | index << 4 | source)
            plain = mix(begin, kind << 8 | index)
            contexts = [
                state,
                mix(state, misses & 7),
                mix(plain, self.address_misses & 15),
                mix(plain, prediction.address),
                mix(plain, prediction.candidates[index]),
                mix(plain, misses & 255, role),
                mix(state, opcode, misses & 1),
                mix(plain, opcode, prediction.old),
                mix(state, len(prediction.candidates), misses & 3),
                mix(plain, len(prediction.candidates), opcode),
            ]
            if not self.field_flags.code(self.coder, contexts, index << 3 | source):
                break
            index += 1
        self.misses = misses << 1 & 0xFFFF | (index > 0)
        if prediction.is_reference:
            self.address_misses = self.address_misses << 1 & 15 | (index > 0)
        return index

    def other(self, prediction):
        """A field that became none of its candidates: the address it names, or its value."""
        width = kinds.WIDTHS[prediction.kind]
        mask = (1 << 8 * width) - 1
        expected = prediction.candidates[0] + prediction.origin & mask
        value = self.number(expected, width, prediction.kind, prediction.address)
        value = value - prediction.origin & mask
        check(value not in prediction.candidates, "a candidate coded as another value")
        return value

    def number(self, expected, width, kind, subject, known=None):
        """`width` bytes of a number that is likely near `expected`, the highest first."""
        result = 0
        is_equal = True
        for index in range(width):
            shift = 8 * (width - 1 - index)
            guess = expected >> shift & 255
            begin = context(20, index << 1 | is_equal)
            prefix = mix(begin, result)
            contexts = [
                mix(prefix, guess if is_equal else 256),
                mix(prefix, kind),
                prefix,
                mix(begin, guess, kind),
                mix(prefix, subject),
                mix(begin, result & 255, kind),
            ]
            what = index << 1 | is_equal | (16 if width == 8 else 0) | (32 if kind == 0 else 0)
            byte = self.addresses.code(self.coder, contexts, what, self.table,
                                       None if known is None else known >> shift & 255)
            result = result << 8 | byte
            is_equal = is_equal and byte == guess
        return result

    def byte(self, kind, role, opcode, column, old, place, base, target, is_instruction,
             frame):
        """One byte that stands for itself."""
        was = renamed = at(base, old)
        if is_instruction:
            frame = self.names.frame
            renamed = self.names.renamed(kind, old, base)
        result = self.change(kind, role, opcode, column, old, place, base, target, was, renamed, frame)
        if is_instruction:
            self.names.learn(kind, was, result)
        return result

    def change(self, kind, role, opcode, column, old, place, base, target, was, renamed, frame):
        before, after = at(base, old - 1), at(base, old + 1)
        one, two, three = at(target, place - 1), at(target, place - 2), at(target, place - 3)
        misses = self.misses
        renames = kind << 1 | (renamed != was)
        contexts = [
            context(30, kind << 8 | role << 3 | misses & 7),
            context(31, kind << 9 | was << 1 | misses & 1),
            context(32, misses & 255, role),
            context(33, opcode, kind << 8 | was),
            context(34, role << 8 | column << 1 | misses & 1),
            context(35, was << 17 | before << 9 | after << 1 | (one != before)),
            context(36, kind << 4 | role, misses & 0xFFF),
            context(37, renames, misses & 3),
            context(38, kind, was << 8 | renamed),
            context(39, renames, frame, was),
        ]
        differs = self.byte_flags.code(self.coder, contexts, role << 2 | misses & 3)
        self.misses = misses << 1 & 0xFFFF | differs
        if not differs:
            return was
        if renamed != was and self.is_renamed(kind, opcode, was, renamed):
            self.changes[kind] = renamed - was
            return renamed
        moved = was + self.changes[kind] & 255
        contexts = [
            context(40, was << 8 | kind),
            context(41, kind << 8 | one),
            context(42, one << 8 | two),
            context(43, moved << 8 | kind),
            context(44, was, opcode),
            context(45, role << 16 | column << 8 | was),
            context(46, one << 16 | two << 8 | three),
            context(47, one - before, was),
            context(48, role << 8 | kind),
            context(49, was << 16 | after << 8 | one),
            context(50, opcode, kind << 8 | one),
            context(51, renamed << 8 | kind),
            context(52, frame, kind << 8 | was),
        ]
        result = self.bytes.code(self.coder, contexts, kind, self.table)
        check(result not in (was, renamed), "a difference that is none")
        self.changes[kind] = result - was
        return result

    def is_renamed(self, kind, opcode, was, renamed):
        """Whether a byte that differs is what it is with its registers renamed."""
        begin = context(39, kind)
        contexts = [
            begin,
            mix(begin, self.renamings & 7),
            mix(begin, was << 8 | renamed),
            mix(begin, opcode, renamed),
            context(29, self.renamings & 255),
        ]
        result = self.renamed_flags.code(self.coder, contexts, kind & 7)
        self.renamings = self.renamings << 1 & 255 | result
        return result
