internal import Bytes

/// Codes whole numbers: first how many bits they have, then the bits below the highest.
///
/// Width and upper bits are coded each under several contexts, whose opinions are mixed; what follows
/// the upper bits is close to random.
package struct NumberModel: Sendable {
  /// Numbers have fewer bits than this.
  package static let widthLimit = 64
  /// Bits below the highest that have contexts of their own.
  private static let upperBits = 3

  var flags: FlagModel
  private var lower: [UInt32]
  private let tables = CodingTables.shared
  /// By context, the last number.
  private var last: [UInt64]

  /// Makes a model whose numbers come in one of `contexts` contexts.
  package init(contexts: Int) {
    flags = FlagModel(bits: 13, sets: contexts * 2, inputs: 4)
    lower = Array(repeating: AdaptiveBit.unseen, count: Self.widthLimit * Self.widthLimit)
    last = Array(repeating: 0, count: contexts)
  }

  /// Codes `number`, which has fewer than 64 bits; `hint` and `other` are small numbers that may say
  /// something about it.
  package mutating func code(
    _ number: UInt64, context: Int, hint: Int = 0, other: Int = 0, coder: inout BinaryCoder
  ) -> UInt64 {
    let before = last[context]
    let start = ContextHash(context)
    let contexts: InlineArray<4, ContextHash> = [
      start, start.with(Self.width(before)).with(1), start.with(hint).with(2),
      start.with(other).with(hint).with(3),
    ]
    let width = codeWidth(Self.width(number), context, contexts, &coder)
    let value = width > 1 ? codeBits(number, width, context, contexts, &coder) : UInt64(width)
    last[context] = value
    return value
  }

  /// Codes `number` of either sign, small magnitudes first.
  package mutating func codeSigned(
    _ number: Int64, context: Int, hint: Int = 0, other: Int = 0, coder: inout BinaryCoder
  ) -> Int64 {
    let folded = UInt64(bitPattern: number << 1 ^ number >> 63)
    let coded = code(folded, context: context, hint: hint, other: other, coder: &coder)
    return Int64(bitPattern: coded >> 1) ^ -Int64(bitPattern: coded & 1)
  }

  /// How many bits `number` has.
  package static func width(_ number: UInt64) -> Int { 64 - number.leadingZeroBitCount }

  private mutating func codeWidth(
    _ width: Int, _ context: Int, _ contexts: InlineArray<4, ContextHash>,
    _ coder: inout BinaryCoder
  ) -> Int {
    var node = 1
    for position in (0..<6).reversed() {
      node = node << 1 | codeBit(width >> position & 1, node, context * 2, contexts, &coder)
    }
    return node & 63
  }

  private mutating func codeBits(
    _ number: UInt64, _ width: Int, _ context: Int, _ contexts: InlineArray<4, ContextHash>,
    _ coder: inout BinaryCoder
  ) -> UInt64 {
    var value: UInt64 = 1
    for position in (0..<width - 1).reversed() {
      let bit = Int(number >> UInt64(position) & 1)
      let done = width - 2 - position
      if done < Self.upperBits {
        let node = 64 + (width << 4 | Int(value))
        value = value << 1 | UInt64(codeBit(bit, node, context * 2 + 1, contexts, &coder))
      } else {
        let place = width * Self.widthLimit + position
        let coded = coder.code(bit, probability: AdaptiveBit.probability(lower[place]))
        lower[place] = AdaptiveBit.updated(
          lower[place], bit: coded, limit: 255, rates: tables.rate)
        value = value << 1 | UInt64(coded)
      }
    }
    return value
  }

  private mutating func codeBit(
    _ bit: Int, _ node: Int, _ set: Int, _ contexts: InlineArray<4, ContextHash>,
    _ coder: inout BinaryCoder
  ) -> Int {
    var places = contexts
    for index in 0..<4 { places[index] = places[index].with(node) }
    return flags.code(bit != 0, contexts: places, set: set, coder: &coder) ? 1 : 0
  }
}
