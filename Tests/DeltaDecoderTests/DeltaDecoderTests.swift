import Bytes
import DeltaDecoder
import DeltaEncoder
import DeltaModel
import Platform
import Testing
import TestSupport

/// Whatever arrives, the decoder answers with a target of the declared size or with an error.
@Suite("Delta decoder")
struct DeltaDecoderTests {
  /// A base of 900 bytes, and a target with changes, an insertion and a move.
  static let sample: (base: [UInt8], target: [UInt8], delta: [UInt8]) = {
    var generator = SeededGenerator(seed: 11)
    let base = generator.bytes(900, below: 40)
    var target = base
    for place in stride(from: 30, to: 400, by: 9) { target[place] &+= 5 }
    target.insert(contentsOf: generator.bytes(40), at: 500)
    target += base[100..<160]
    let delta = DeltaEncoder.encode(base: base, target: target)
    return (base, target, delta.bytes)
  }()

  @Test func `the sample is a delta with covers and comes back`() throws {
    #expect(try DeltaHeader(parsing: Self.sample.delta).mode == .delta)
    #expect(try DeltaHeader(parsing: Self.sample.delta).coverCount > 1)
    #expect(
      try DeltaDecoder.decode(Self.sample.delta, base: Self.sample.base) == Self.sample.target)
  }

  @Test func `how far decoding is is told as it goes on, with covers and without`() throws {
    var generator = SeededGenerator(seed: 12)
    let base = generator.bytes(200_000, below: 40)
    var target = base
    for place in stride(from: 50, to: target.count, by: 5000) { target[place] ^= 1 }
    for old in [base, []] {
      let delta = DeltaEncoder.encode(base: old, target: target, effort: .quick)
      #expect(delta.header.mode == (old.isEmpty ? .plain : .delta))
      let told = Guarded<[Double]>([])
      let decoded = try DeltaDecoder.decode(delta.bytes, base: old) { fraction in
        told.withLock { $0.append(fraction) }
      }
      #expect(decoded == target)
      let fractions = told.withLock { $0 }
      #expect(fractions.count > 8 && fractions == fractions.sorted())
      #expect(fractions.first ?? 1 < 0.1 && fractions.last ?? 0 > 0.85)
      #expect(fractions.allSatisfy { (0..<1).contains($0) })
    }
  }

  @Test func `no proper prefix yields the target`() {
    for count in 0..<Self.sample.delta.count {
      #expect(!yieldsTarget(Array(Self.sample.delta.prefix(count))), "prefix of \(count) bytes")
    }
  }

  @Test func `no appended byte is accepted`() {
    for byte in [0, 1, 255] as [UInt8] {
      #expect(throws: FormatError.self) {
        try DeltaDecoder.decode(Self.sample.delta + [byte], base: Self.sample.base)
      }
    }
  }

  /// A blob has one spelling, so that a changed byte changes the result or is refused.
  @Test func `no changed byte yields the target`() {
    for place in Self.sample.delta.indices {
      for change in [1, 128, 255] as [UInt8] {
        var delta = Self.sample.delta
        delta[place] ^= change
        #expect(!yieldsTarget(delta), "byte \(place) ^ \(change)")
      }
    }
  }

  @Test(arguments: 0..<60 as Range<UInt64>)
  func `mutated deltas end in a result of the declared size or an error`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var delta = Self.sample.delta
    for _ in 0..<Int.random(in: 1...8, using: &generator) {
      let place = Int.random(in: 0..<delta.count, using: &generator)
      switch Int.random(in: 0..<3, using: &generator) {
      case 0: delta[place] = UInt8.random(in: 0...255, using: &generator)
      case 1: delta.remove(at: place)
      default: delta.insert(UInt8.random(in: 0...255, using: &generator), at: place)
      }
    }
    try expectTotal(delta, base: Self.sample.base, "SeededGenerator(seed: \(seed))")
  }

  @Test(arguments: 0..<60 as Range<UInt64>)
  func `random bytes behind a good header end in a result or an error`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let mode: DeltaMode = seed % 3 == 0 ? .whole : .delta
    let header = DeltaHeader(
      mode: mode, targetSize: UInt64.random(in: 1...5000, using: &generator), coverCount: 1)
    let skewed = seed % 2 == 0 ? 256 : 3
    let body = generator.bytes(Int.random(in: 0...200, using: &generator), below: skewed)
    try expectTotal(
      header.encoded + body, base: Self.sample.base, "SeededGenerator(seed: \(seed))")
  }

  @Test(arguments: [[], [7], Array(repeating: 0, count: 901)] as [[UInt8]])
  func `another base yields something else or an error`(base: [UInt8]) {
    let target = try? DeltaDecoder.decode(Self.sample.delta, base: base)
    #expect(target != Self.sample.target)
  }

  @Test func `a target that is declared larger than allowed is refused before it is made`() {
    let header = DeltaHeader(mode: .whole, targetSize: 1 << 31)
    #expect(
      throws: FormatError(
        .overLimit("the target size", found: 1 << 31, limit: DeltaLimits.largestTarget), at: 1)
    ) { try DeltaDecoder.decode(header.encoded, base: []) }
  }

  @Test func `more covers than memory is allowed for are refused before they are read`() throws {
    let header = DeltaHeader(mode: .delta, targetSize: 1 << 30, coverCount: 1 << 30)
    let error = try #require(throws: FormatError.self) {
      try DeltaDecoder.decode(header.encoded, base: [])
    }
    guard case .overLimit("the memory needed", _, _) = error.reason else {
      Issue.record("expected a memory limit, got \(error)")
      return
    }
  }

  @Test func `a stored target that is short or long is refused`() {
    let header = DeltaHeader(mode: .stored, targetSize: 3).encoded
    #expect(throws: FormatError(.truncated(missing: 1), at: 2)) {
      try DeltaDecoder.decode(header + [1, 2], base: [])
    }
    #expect(throws: FormatError(.trailing(count: 1), at: 5)) {
      try DeltaDecoder.decode(header + [1, 2, 3, 4], base: [])
    }
  }

  private func yieldsTarget(_ delta: [UInt8]) -> Bool {
    let limits = DeltaLimits(targetSize: 1 << 20, memory: 1 << 26)
    let target = try? DeltaDecoder.decode(delta, base: Self.sample.base, limits: limits)
    return target == Self.sample.target
  }

  private func expectTotal(_ delta: [UInt8], base: [UInt8], _ what: Comment) throws {
    let limits = DeltaLimits(targetSize: 1 << 16, memory: 1 << 26)
    do throws(FormatError) {
      let target = try DeltaDecoder.decode(delta, base: base, limits: limits)
      #expect(try UInt64(target.count) == DeltaHeader(parsing: delta).targetSize, what)
    } catch {
      #expect(error.offset <= delta.count, what)
    }
  }
}
