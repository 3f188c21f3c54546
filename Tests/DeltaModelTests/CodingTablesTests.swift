import Foundation
import Testing

@testable import DeltaModel

@Suite("Coding tables")
struct CodingTablesTests {
  private let tables = CodingTables.shared

  /// The floating-point logistic function is the judge; the tables themselves never use it.
  @Test func `squash is the logistic function, rounded`() {
    let limit = CodingTables.stretchLimit
    for stretched in -limit...limit {
      let exact = 65536 / (1 + exp(-Double(stretched) / 256))
      let value = Double(tables.squash[stretched + limit])
      #expect(abs(value - min(65535, max(1, exact))) <= 0.51, "at \(stretched)")
    }
  }

  @Test func `stretch undoes squash`() {
    let limit = CodingTables.stretchLimit
    for probability in 1..<65536 {
      let stretched = Int(tables.stretch[probability])
      #expect(Int(tables.squash[stretched + limit]) <= probability)
      if stretched < limit {
        #expect(Int(tables.squash[stretched + limit + 1]) > probability)
      }
    }
  }

  @Test func `an adaptive bit approaches the share of ones`() {
    var slot = AdaptiveBit.unseen
    for index in 0..<1000 {
      slot = AdaptiveBit.updated(
        slot, bit: index % 4 == 0 ? 1 : 0, limit: 1022, rates: tables.rate)
    }
    #expect(abs(Double(slot >> 16) / 65536 - 0.25) < 0.01)
  }

  @Test(arguments: [0, 1])
  func `an adaptive bit never leaves its range`(bit: Int) {
    for start in [0, 1, UInt32.max, 1 << 31, UInt32.max << 10] {
      var slot = start
      for _ in 0..<3000 {
        slot = AdaptiveBit.updated(slot, bit: bit, limit: 1022, rates: tables.rate)
        #expect((1...65535).contains(AdaptiveBit.probability(slot)))
      }
    }
  }
}
