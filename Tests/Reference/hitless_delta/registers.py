"""What became of the registers of words (docs/format.md, "Delta codec 1: prediction of fields", 8.10.1)."""
import kinds

ARM_REGISTERS = (0, 5, 16)
LOONG_REGISTERS = (0, 5, 10)


class WordRegisters:
    """What became of the registers of words; where a word has them is a tuple of bits."""

    def __init__(self):
        self.registers = list(range(32))

    @staticmethod
    def same_but_registers(old, new, shifts):
        mask = sum(31 << shift for shift in shifts)
        return (old ^ new) & ~mask == 0

    def renamed(self, word, shifts):
        """`word` with its registers as they were renamed last."""
        result = word
        for shift in shifts:
            result = result & ~(31 << shift) | self.registers[word >> shift & 31] << shift
        return result

    def rename(self, old, new, shifts):
        for shift in shifts:
            self.registers[old >> shift & 31] = new >> shift & 31


def arm_registers(word):
    """Which of Rd, Rn and Rm an AArch64 word has that names no address."""
    if word >> 25 & 7 == 5:
        return ARM_REGISTERS
    return ARM_REGISTERS[:1 if word & 0x1F800000 == 0x12800000 else 2]


def any_arm_registers(word):
    """The same for any word; branches count as without."""
    if word & 0x1C000000 == 0x14000000:
        return ()
    return ARM_REGISTERS[:1] if word & 0x1F000000 == 0x10000000 else arm_registers(word)


def loong_registers(word):
    """Which of rd, rj and rk a LoongArch64 word has."""
    operation = word >> 26
    if operation in (2, 3, 14, 28):
        return LOONG_REGISTERS
    if operation == 0 and word >> 22 == 0 and word >> 15 or word >> 20 == 0x010:
        return LOONG_REGISTERS
    if operation in (5, 6, 7):
        return LOONG_REGISTERS[:1]
    if operation in (16, 17):
        return LOONG_REGISTERS[1:2]
    return () if operation in (18, 20, 21) else LOONG_REGISTERS[:2]


# By kind, the registers of words that name no address.
RENAMED = {kinds.ARM_WORD: arm_registers, kinds.LOONG_WORD: loong_registers}
LOONG_REFERENCES = (*range(kinds.LOONG_BRANCH26, kinds.LOONG_PCADDI + 1), kinds.LOONG_CALL_END,
                    kinds.LOONG_RELATIVE_PAGE, kinds.LOONG_RELATIVE_LOW12)


def reference_registers(kind, word):
    """The same for words that name an address."""
    if kind in LOONG_REFERENCES:
        return loong_registers(word)
    if kind == kinds.ARM_BRANCH19:
        # B.cond has a condition where others have a register.
        return () if word >> 24 == 0x54 else ARM_REGISTERS[:1]
    count = {kinds.ARM_LOW12: 2, kinds.ARM_ADRP: 1, kinds.ARM_ADR: 1, kinds.ARM_BRANCH14: 1}.get(kind, 0)
    return ARM_REGISTERS[:count]
