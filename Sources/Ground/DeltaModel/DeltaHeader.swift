package import Bytes

/// The first bytes of every delta blob (docs/format.md, "Delta codec 1: blob and header").
///
/// It says how the rest is coded and what decoding it will cost, so that both can be refused before
/// anything is allocated. It carries no digest: what binds a delta to its base and its target is the
/// manifest, or the header of a delta file.
package struct DeltaHeader: Sendable, Equatable {
  /// How the body is coded.
  package let mode: DeltaMode
  /// Size in bytes of what the delta yields.
  package let targetSize: UInt64
  /// How many covers the body starts with.
  package let coverCount: UInt64
  /// After so many bytes the target is taken to go on likewise; 1 without codec 3.
  package let period: Int
  /// Whether bytes may be told by where they were before; false without codec 3.
  package let hasRepeats: Bool
  /// Bytes the decoder allocates: the target and its working tables, not the base nor the delta.
  package let memoryNeeded: UInt64

  /// The number of `mode`, in the first byte of the blob and in the manifest.
  package var codec: UInt8 { mode.rawValue }
}

/// How the body of a delta is coded.
package enum DeltaMode: UInt8, CaseIterable, Sendable {
  /// The target itself.
  case stored = 0
  /// Covers and contents, arithmetic-coded.
  case delta = 1
  /// The same without covers: the base serves only to learn from.
  case whole = 2
  /// Bytes one after the other, arithmetic-coded, without a look at the base.
  case plain = 3
}

extension DeltaMode {
  /// What the models know at first; a later prior will come with codecs of other numbers.
  var prior: DeltaPrior {
    switch self {
    case .stored, .plain: .none
    case .delta, .whole: .first
    }
  }

  /// The mode as it is printed.
  package var name: String {
    switch self {
    case .stored: "stored"
    case .delta: "delta"
    case .whole: "whole"
    case .plain: "plain"
    }
  }
}

extension DeltaHeader {
  /// Bytes per line of the tables that follow the target's size: the line, four flags, and places in
  /// the indices of data (two) and code (four).
  private static let lineBytes: UInt64 = 64 + 4 * 4 + 2 * 4 + 4 * 4
  /// Bytes of the tables that do not depend on the target: at most so many for the fields of the base,
  /// what is learned of addresses, and the models.
  private static let fixedTables: UInt64 = 18 << 20
  /// The same for codec 3: for a place in both indices, and for its models.
  private static let plainPlaceBytes: UInt64 = 2 * 4
  private static let plainTables: UInt64 = 1 << 20
  /// Bytes that one cover takes: itself, and in the map from base to target.
  private static let coverBytes: UInt64 = 64

  /// The largest period that codec 3 can have.
  package static let longestPeriod = 255

  /// Describes a delta of `mode` that yields `targetSize` bytes by way of `coverCount` covers, or with
  /// columns of `period` bytes and, if `hasRepeats`, repeats.
  package init(
    mode: DeltaMode, targetSize: UInt64, coverCount: UInt64 = 0, period: Int = 1,
    hasRepeats: Bool = false
  ) {
    self.mode = mode
    self.targetSize = targetSize
    self.coverCount = coverCount
    self.period = period
    self.hasRepeats = hasRepeats
    memoryNeeded = Self.memory(mode, targetSize: targetSize, coverCount: coverCount)
  }

  /// Reads the header at the start of a delta blob; the body that follows is not looked at.
  package init(parsing delta: [UInt8]) throws(FormatError) {
    var reader = ByteReader(delta)
    let codec = try reader.byte()
    guard let mode = DeltaMode(rawValue: codec) else {
      throw FormatError(.unsupported("delta codec \(codec)"), at: 0)
    }
    let targetSize = try LEB128.read(&reader)
    let coverCount = mode == .delta ? try LEB128.read(&reader) : 0
    guard mode != .delta || coverCount > 0 && coverCount <= targetSize else {
      throw FormatError(.illegal("\(coverCount) covers"), at: 1)
    }
    let place = reader.position
    let shape = mode == .plain ? try LEB128.read(&reader) : 2
    let period = shape >> 1
    guard period > 0 && period <= UInt64(Self.longestPeriod) else {
      throw FormatError(.illegal("a period of \(period) bytes"), at: place)
    }
    self.init(
      mode: mode, targetSize: targetSize, coverCount: coverCount, period: Int(period),
      hasRepeats: shape & 1 != 0)
  }

  /// What the mode has behind the target's size.
  private var parameter: UInt64? {
    switch mode {
    case .stored, .whole: nil
    case .delta: coverCount
    case .plain: UInt64(period) << 1 | (hasRepeats ? 1 : 0)
    }
  }

  /// The bytes of the header.
  package var encoded: [UInt8] {
    [codec] + LEB128.bytes(targetSize) + (parameter.map(LEB128.bytes) ?? [])
  }

  /// How many bytes of the blob the header takes.
  package var count: Int {
    1 + LEB128.count(targetSize) + (parameter.map(LEB128.count) ?? 0)
  }

  /// Lines of the context table as a power of two: they follow the target's size.
  ///
  /// The flag tables and the indices have two slots per line each.
  var tableBits: Int { Self.tableBits(mode, targetSize) }

  private static func tableBits(_ mode: DeltaMode, _ targetSize: UInt64) -> Int {
    // A byte of new code takes some thirty lines, and so does one of the base that is rehearsed. Where
    // nothing is covered, every byte does.
    let bits = (mode == .whole ? 66 : 63) - targetSize.leadingZeroBitCount
    return min(17, max(10, bits))
  }

  /// Lines of the table of codec 3, and places in each of its two indices, as powers of two.
  var plainBits: (table: Int, places: Int) { Self.plainBits(targetSize) }

  private static func plainBits(_ targetSize: UInt64) -> (table: Int, places: Int) {
    // A byte takes up to 48 lines, most of which were there before.
    let width = 64 - targetSize.leadingZeroBitCount
    return (min(20, max(12, width + 5)), min(20, max(10, width)))
  }

  private static func memory(
    _ mode: DeltaMode, targetSize: UInt64, coverCount: UInt64
  ) -> UInt64 {
    guard mode != .stored else { return targetSize }
    guard mode != .plain else {
      let bits = plainBits(targetSize)
      return targetSize + UInt64(HistoryTable.lineBytes) << UInt64(bits.table)
        + plainPlaceBytes << UInt64(bits.places) + plainTables
    }
    // At most 2^63 each, so neither product nor sum can be told apart from the limit when it is cut.
    let covers = coverCount.multipliedReportingOverflow(by: coverBytes)
    let tables = lineBytes << UInt64(tableBits(mode, targetSize)) + fixedTables
    let sum = (targetSize + tables).addingReportingOverflow(covers.partialValue)
    return covers.overflow || sum.overflow ? .max : sum.partialValue
  }
}
