import Bytes
import DeltaDecoder
import DeltaEncoder
import DeltaModel
import Platform
import TestSupport
import Testing

/// A second thread makes decoding faster, and changes nothing else.
@Suite("Decoding with an assistant")
struct AssistedDecodingTests {
  /// A library that every machine with the setup has, and a few changes, an insertion and a move in it.
  static let sample: (base: [UInt8], target: [UInt8], delta: [UInt8]) = {
    let base = contents(of: "/usr/lib/x86_64-linux-gnu/libstdc++.so.6") ?? []
    var generator = SeededGenerator(seed: 21)
    var target = base
    let text = 900_000
    for place in stride(from: text, to: text + 400_000, by: 3001) { target[place] ^= 0x21 }
    let moved = Array(target[text + 150_000..<text + 190_000])
    target.removeSubrange(text + 150_000..<text + 190_000)
    target.insert(contentsOf: moved, at: text + 20_000)
    target.insert(contentsOf: generator.bytes(900), at: text + 260_000)
    return (base, target, DeltaEncoder.encode(base: base, target: target, effort: .quick).bytes)
  }()

  /// Pairs of `tools/corpus`, of each machine, where somebody has fetched or built them.
  static let pairs = [
    "libxml2", "tiff", "lxml-etree-6.0.1-2", "a64-libpq-2.9.10-11", "la64-libxml2-fix",
  ].filter { contents(of: "\(TestModule.root)/.build/corpus/\($0)/old.so") != nil }

  @Test func `a changed library comes back with an assistant as without`() throws {
    #expect(try DeltaHeader(parsing: Self.sample.delta).mode == .delta)
    #expect(
      try DeltaDecoder.decode(Self.sample.delta, base: Self.sample.base) == Self.sample.target)
    let (target, hasStarted) = try assisted(Self.sample.delta, Self.sample.base)
    #expect(target == Self.sample.target)
    #expect(hasStarted)
  }

  @Test(arguments: Self.pairs)
  func `versions of a library come back with an assistant as without`(name: String) throws {
    let folder = "\(TestModule.root)/.build/corpus/\(name)"
    let old = try #require(contents(of: "\(folder)/old.so"))
    let new = try #require(contents(of: "\(folder)/new.so"))
    let delta = DeltaEncoder.encode(base: old, target: new, effort: .quick).bytes
    #expect(try DeltaDecoder.decode(delta, base: old) == new)
    #expect(try assisted(delta, old).target == new)
  }

  @Test(arguments: 0..<30 as Range<UInt64>)
  func `damage ends in the same target or error, and with the thread gone`(seed: UInt64) {
    var choices = SeededChoices(seed: seed)
    let damaged = HostileDelta.damaged(Self.sample.delta, &choices)
    let limits = DeltaLimits(targetSize: 1 << 22, memory: 1 << 26)
    let name = "assisted-\(seed)"
    let alone = Result { () throws(FormatError) in
      try DeltaDecoder.decode(damaged, base: Self.sample.base, limits: limits)
    }
    let together = Result { () throws(FormatError) in
      try AssistantThread.with(name) { (thread) throws(FormatError) in
        try DeltaDecoder.decode(
          damaged, base: Self.sample.base, limits: limits, assistant: thread.begin)
      }
    }
    #expect(alone == together, "seed \(seed)")
    #expect(eventually { !threadNames().contains(name) }, "seed \(seed)")
  }

  @Test func `a small base starts no thread, and the smallest that is worth one does`() throws {
    for (count, isAssisted) in [
      (DeltaDecoder.assistedFrom - 1, false), (DeltaDecoder.assistedFrom, true),
    ] {
      let base = Array(Self.sample.base.prefix(count))
      var target = base
      target.insert(contentsOf: (0..<200).map { UInt8($0 * 37 & 255) }, at: count / 2)
      let delta = DeltaEncoder.encode(base: base, target: target, effort: .quick).bytes
      let result = try assisted(delta, base)
      #expect(result.target == target)
      #expect(result.hasStarted == isAssisted)
    }
  }

  private func assisted(
    _ delta: [UInt8], _ base: [UInt8]
  ) throws(FormatError) -> (target: [UInt8], hasStarted: Bool) {
    try AssistantThread.with("assisted") { (thread) throws(FormatError) in
      let target = try DeltaDecoder.decode(delta, base: base, assistant: thread.begin)
      return (target, thread.hasStarted)
    }
  }
}
