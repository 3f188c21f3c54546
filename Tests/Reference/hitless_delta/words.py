"""What the instruction sets of fixed-width words share."""


class Effect:
    """What one instruction does as far as pairs of address instructions are concerned."""

    def __init__(self, kind, cleared=0, low=None, base=None, page=None):
        # Its kind alone, and if `base` holds a page that it completes.
        self.kind, self.low, self.base = kind, low, base
        # The registers that no longer hold a page afterwards, a bit each, and the one that then does.
        self.cleared, self.page = cleared, page


def narrow(delta, bits, scale):
    """`delta` over 2**scale in `bits` bits of two's complement; None if it does not divide or fit."""
    delta = (delta + (1 << 63)) % (1 << 64) - (1 << 63)
    value = delta >> scale
    if value << scale != delta or not -(1 << bits - 1) <= value < 1 << bits - 1:
        return None
    return value & (1 << bits) - 1


def put(old, delta, at, bits, scale):
    """`old` with that in the `bits` bits from bit `at` on, or None."""
    field = narrow(delta, bits, scale)
    return None if field is None else old & ~((1 << bits) - 1 << at) | field << at
