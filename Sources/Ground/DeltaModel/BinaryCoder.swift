package import Bytes

/// The arithmetic coder: turns bits and their probabilities into bytes, and back.
///
/// One type runs both ways, so that the code that models a stream is written once and cannot differ
/// between encoder and decoder: `code` takes the bit when encoding and ignores it when decoding, and
/// returns the bit in both cases.
package struct BinaryCoder: Sendable {
  /// Whether bits come out of the bytes rather than go into them.
  package let isDecoding: Bool

  /// Set while models learn from bytes that both sides have: bits are taken as they are given, and
  /// nothing is read or written.
  package var isRehearsing = false

  /// Set when something was coded in a way that no encoder chooses: a stream has one spelling.
  package private(set) var isMalformed = false

  /// What of the codec is left out, for measuring it; nothing in the product.
  var without: DeltaAblation = []

  /// Where the cost of each bit is noted, if anybody wants to know.
  package var book: CostBook?

  /// Told by an encoder now and then to which place of the target it has come; none while decoding.
  var listener: (@Sendable (Int) -> Void)?
  /// Places between two of which the listener hears.
  private static let listenerGrain = 1 << 14
  /// The first place that the listener has not heard of.
  private var unheard = 0

  /// What is read or was written.
  private var bytes: [UInt8]
  /// Offset of the next byte to read, counted on past the end, where zeros are read.
  private var position: Int
  private var low: UInt64 = 0
  private var high: UInt64 = .max
  private var window: UInt64 = 0

  /// Starts encoding.
  package init() {
    isDecoding = false
    bytes = []
    position = 0
  }

  /// Starts decoding at `offset` of `bytes`.
  package init(decoding bytes: [UInt8], from offset: Int) {
    isDecoding = true
    self.bytes = bytes
    position = offset
    for _ in 0..<8 { window = window << 8 | nextByte() }
  }

  /// Whether more was asked of the input than any encoder's output holds.
  package var isExhausted: Bool { position > bytes.count + 8 }

  /// Offset of the last byte that was read, or how many were written.
  package var offset: Int { min(position, bytes.count) }

  /// How many bits were written, those of the interval in progress included.
  var bitCount: Int { 8 &* position &+ (high &- low).leadingZeroBitCount }

  /// Takes note that what was decoded is no encoder's spelling, if `condition` holds.
  @inline(__always)
  mutating func refuse(if condition: Bool) {
    if condition && !isRehearsing { isMalformed = true }
  }

  /// Says what the bits to come are spent on.
  @inline(__always)
  mutating func open(_ cause: CostCause, _ place: Int) {
    guard !isRehearsing else { return }
    if listener != nil && place >= unheard { tell(place) }
    guard book != nil else { return }
    book?.open(cause, place)
  }

  private mutating func tell(_ place: Int) {
    unheard = place &+ Self.listenerGrain
    listener?(place)
  }

  /// Codes one bit; `probability` is that of a one in 1/65536, from 1 to 65535.
  @inline(__always)
  package mutating func code(_ bit: Int, probability: Int) -> Int {
    guard !isRehearsing else { return bit }
    let range = high &- low
    let share = UInt64(truncatingIfNeeded: probability)
    let middle = low &+ (range >> 16) &* share &+ (((range & 0xffff) &* share) >> 16)
    let result = isDecoding ? (window <= middle ? 1 : 0) : bit
    if book != nil { book?.note(result != 0 ? probability : 65536 &- probability) }
    if result != 0 { high = middle } else { low = middle &+ 1 }
    while (low ^ high) >> 56 == 0 { shift() }
    return result
  }

  private mutating func shift() {
    if isDecoding {
      window = window << 8 | nextByte()
    } else {
      bytes.append(UInt8(truncatingIfNeeded: low >> 56))
      position += 1
    }
    low <<= 8
    high = high << 8 | 0xff
  }

  private mutating func nextByte() -> UInt64 {
    defer { position += 1 }
    return position < bytes.count ? UInt64(bytes[position]) : 0
  }

  /// Ends encoding and returns all bytes.
  package consuming func finish() -> [UInt8] { bytes + tail }

  /// Ends decoding: throws unless the input ends exactly as an encoder would have ended it.
  ///
  /// With this, a stream of bits has one spelling only.
  package func checkEnd() throws(FormatError) {
    let expected = tail
    let end = position - 8
    guard bytes.count - end == expected.count && bytes.suffix(expected.count) == expected[...]
    else { throw FormatError(.illegal("an end that no encoder writes"), at: min(end, bytes.count)) }
  }

  /// The shortest bytes that, followed by zeros, lie inside the interval.
  private var tail: [UInt8] {
    guard low > 0 else { return [] }
    for count in 1..<8 {
      let unit: UInt64 = 1 << (64 - 8 * UInt64(count))
      let (rounded, overflow) = low.addingReportingOverflow(unit - 1)
      let value = rounded & ~(unit - 1)
      if !overflow && value <= high { return bigEndian(value, count) }
    }
    return bigEndian(low, 8)
  }

  private func bigEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * UInt64($0))) }
  }
}
