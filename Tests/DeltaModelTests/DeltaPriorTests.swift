import Bytes
import DeltaModel
import Foundation
import Testing
import TestSupport

@Suite("Prior of deltas")
struct DeltaPriorTests {
  @Test func `the prior is read, and written again as it is`() throws {
    let prior = try DeltaPrior(parsing: DeltaPrior.firstBytes)
    #expect(prior == .first)
    #expect(prior.encoded == DeltaPrior.firstBytes)
    #expect(prior[.gaps].slots.count > 100)
    #expect(prior[.newCode].weights.count > 100)
  }

  /// A model that starts with certainty about a bit that never comes costs the delta; a state that the
  /// arithmetic cannot hold would cost more.
  @Test func `what the prior knows is within the limits of the models`() {
    for model in TrainedModel.allCases {
      let start = DeltaPrior.first[model]
      #expect(start.slots.map(\.key) == Array(Set(start.slots.map(\.key))).sorted())
      #expect(start.slots.allSatisfy { $0.key < 1 << 18 && $0.state >> 16 >= 1 })
      #expect(start.slots.allSatisfy { (1...255).contains($0.state & 1023) })
      #expect(start.weights.allSatisfy { $0.value.magnitude <= 127 * 1024 })
    }
  }

  /// The format names the prior by its digest, and the decoder of other hands reads the same bytes.
  @Test func `format, codec and reference decoder mean the same prior`() throws {
    let program = "\(TestModule.root)/Tests/Reference/hitless_delta/prior.py"
    let finished = try run("/usr/bin/python3", ["-B", program])
    #expect(finished.status == 0, "\(finished.errors)")
    let words = finished.output.split(whereSeparator: \.isWhitespace)
    try #require(words.count == 2)
    #expect(Int(words[0]) == DeltaPrior.firstBytes.count)
    let format = try String(contentsOfFile: "\(TestModule.root)/docs/format.md", encoding: .utf8)
    #expect(format.contains("of SHA-256 `\(words[1])`"))
  }

  @Test func `no prefix of the prior is one, nor what is longer`() {
    let bytes = DeltaPrior.firstBytes
    for count in stride(from: 0, to: bytes.count, by: 1999) {
      #expect(throws: FormatError.self) { try DeltaPrior(parsing: Array(bytes.prefix(count))) }
    }
    #expect(throws: FormatError.self) { try DeltaPrior(parsing: bytes + [0]) }
  }

  @Test func `keys and numbers past their limits are refused`() {
    let rest = [UInt8](repeating: 0, count: 2 * TrainedModel.allCases.count - 1)
    #expect(throws: Never.self) { try DeltaPrior(parsing: [1, 0xff, 0xff, 0x0f, 5, 1] + rest) }
    #expect(throws: FormatError.self) {
      try DeltaPrior(parsing: [1, 0x80, 0x80, 0x10, 5, 1] + rest)
    }
    #expect(throws: FormatError.self) { try DeltaPrior(parsing: [0x80, 0x80, 0x40] + rest) }
  }
}
