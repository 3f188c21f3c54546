internal import Bytes

/// Codes whole numbers: first how many bits they have, then the bits below the highest.
///
/// The first three of those are worth contexts of their own; what follows is close to random.
package struct NumberModel: Sendable {
  /// Numbers have fewer bits than this.
  package static let widthLimit = 64
  private static let treeNodes = 64
  private static let countLimit: UInt32 = 255

  private var widths: [UInt32]
  private var upper: [UInt32]
  private var lower: [UInt32]
  private let tables = CodingTables.shared

  /// Makes a model whose numbers come in one of `contexts` contexts.
  package init(contexts: Int) {
    let unseen = AdaptiveBit.unseen
    widths = Array(repeating: unseen, count: contexts * Self.treeNodes)
    upper = Array(repeating: unseen, count: contexts * Self.widthLimit * 8)
    lower = Array(repeating: unseen, count: Self.widthLimit * Self.widthLimit)
  }

  /// Codes `number`, which has fewer than 64 bits.
  package mutating func code(_ number: UInt64, context: Int, coder: inout BinaryCoder) -> UInt64 {
    let width = codeWidth(64 - number.leadingZeroBitCount, context: context, coder: &coder)
    guard width > 1 else { return UInt64(width) }
    var value: UInt64 = 1
    for position in (0..<width - 1).reversed() {
      let bit = Int(number >> UInt64(position) & 1)
      let done = width - 2 - position
      let coded: Int
      if done < 3 {
        let place = (context * Self.widthLimit + width) * 8 + Int(value)
        coded = Self.codeBit(bit, &upper[place], tables, &coder)
      } else {
        coded = Self.codeBit(
          bit, &lower[width * Self.widthLimit + position], tables, &coder)
      }
      value = value << 1 | UInt64(coded)
    }
    return value
  }

  /// Codes `number` of either sign, small magnitudes first.
  package mutating func codeSigned(
    _ number: Int64, context: Int, coder: inout BinaryCoder
  ) -> Int64 {
    let folded = UInt64(bitPattern: number << 1 ^ number >> 63)
    let coded = code(folded, context: context, coder: &coder)
    return Int64(bitPattern: coded >> 1) ^ -Int64(bitPattern: coded & 1)
  }

  private mutating func codeWidth(_ width: Int, context: Int, coder: inout BinaryCoder) -> Int {
    let start = context * Self.treeNodes
    var node = 1
    for position in (0..<6).reversed() {
      let bit = Self.codeBit(width >> position & 1, &widths[start + node], tables, &coder)
      node = node << 1 | bit
    }
    return node & 63
  }

  private static func codeBit(
    _ bit: Int, _ slot: inout UInt32, _ tables: CodingTables, _ coder: inout BinaryCoder
  ) -> Int {
    let coded = coder.code(bit, probability: AdaptiveBit.probability(slot))
    slot = AdaptiveBit.updated(slot, bit: coded, limit: countLimit, rates: tables.rate.span)
    return coded
  }
}
