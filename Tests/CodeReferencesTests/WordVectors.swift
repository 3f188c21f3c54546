import CodeReferences
import Foundation

/// What judges say of a stretch of code (made by Judges/words.py).
struct WordVector: Decodable {
  let machine: UInt16
  /// The address of the first byte.
  let address: UInt64
  /// The bytes in hexadecimal digits.
  let code: String
  /// Offsets of references and the addresses they name, as llvm-objdump prints them.
  let targets: [[UInt64]]?
  /// Offsets of the two kinds of halves of address pairs, and numbers that name the address.
  let pages: [[Int]]?
  let lows: [[Int]]?

  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(code.utf8.count / 2)
    var high: UInt8?
    for digit in code.utf8 {
      let value = digit < 0x40 ? digit & 15 : (digit & 15) + 9
      if let first = high { bytes.append(first << 4 | value) }
      high = high == nil ? value : nil
    }
    return bytes
  }

  /// The vectors of a file.
  static func load(_ path: String) throws -> [WordVector] {
    try JSONDecoder().decode([WordVector].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  /// The vectors in the tree, and those in the files that `HITLESS_WORD_VECTORS` names with `:`
  /// between them.
  static let files: [String] = {
    let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let names = ["arm-targets", "arm-pairs", "loong-targets", "loong-pairs", "risc-targets"]
    let more = ProcessInfo.processInfo.environment["HITLESS_WORD_VECTORS"] ?? ""
    return (names + ["risc-pairs"]).map { here.path + "/Judges/\($0).json" }
      + more.split(separator: ":").map(String.init)
  }()
}

/// A section of code with its marks.
struct MarkedCode {
  let code: WordCode
  let bytes: [UInt8]
  let address: UInt64
  let section: Range<Int>
  private(set) var kinds: [UInt8]
  private(set) var partners: [Int16]

  /// Marks `bytes`, all of them the section, in one window or in windows of `step` bytes.
  init(_ code: WordCode, _ bytes: [UInt8], address: UInt64 = 0, step: Int? = nil) {
    self.init(code, bytes, address: address, section: 0..<bytes.count, step: step)
  }

  /// Marks one section of `bytes`; windows begin at multiples of `step` from its beginning.
  init(
    _ code: WordCode, _ bytes: [UInt8], address: UInt64 = 0, section: Range<Int>, step: Int?
  ) {
    self.code = code
    self.bytes = bytes
    self.address = address
    self.section = section
    kinds = Array(repeating: 0, count: bytes.count)
    partners = Array(repeating: 0, count: bytes.count / 4 + 1)
    var start = section.lowerBound
    while start < section.upperBound {
      let end = min(start + (step ?? section.count), section.upperBound)
      mark(start..<end)
      start = end
    }
  }

  private mutating func mark(_ window: Range<Int>) {
    let cells = window.lowerBound / 4..<(window.upperBound + 3) / 4
    var part = Array(repeating: UInt8(0), count: window.count)
    var distances = Array(repeating: Int16(0), count: cells.count)
    var kindSpan = part.mutableSpan
    var partnerSpan = distances.mutableSpan
    code.mark(
      bytes.span, section: section, window: window, kinds: &kindSpan, partners: &partnerSpan)
    kinds.replaceSubrange(window, with: part)
    // Four bytes that two windows share must get the same from both, or nothing from one.
    for (cell, distance) in zip(cells, distances) where distance != 0 { partners[cell] = distance }
  }

  /// The kind that begins at `offset`, if one does.
  func start(_ offset: Int) -> ByteKind? {
    let kind = ByteKind(rawValue: kinds[offset])
    return kind.isStart ? kind.plain : nil
  }

  /// Whether `kind` is a page half of a pair, or a low half.
  static func isPage(_ kind: ByteKind) -> Bool {
    [.armADRP, .loongPage, .loongCall, .loongRelativePage, .riscPage].contains(kind)
  }
  static func isLow(_ kind: ByteKind) -> Bool {
    [
      .armLow12, .loongLow12, .loongCallEnd, .loongRelativeLow12, .riscLow12I, .riscLow12S,
    ].contains(kind)
  }

  /// Whether a word or half word of this kind has an address field.
  static func isReference(_ kind: ByteKind) -> Bool {
    ![ByteKind.none, .bad, .armWord, .loongWord, .riscWord, .riscHalf].contains(kind)
  }

  /// The distance to the partner; half words have none, whatever the four bytes they share say.
  func partner(_ offset: Int) -> Int {
    guard let kind = start(offset), Self.isPage(kind) || Self.isLow(kind) else { return 0 }
    return Int(partners[offset / 4])
  }

  /// The word at `offset`, or the half word.
  func word(_ offset: Int) -> UInt32 {
    let isHalf = [.riscHalf, .riscCompressedJump, .riscCompressedBranch]
      .contains(ByteKind(rawValue: kinds[offset]).plain)
    return (0..<(isHalf ? 2 : 4)).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * $1) }
  }

  func place(_ offset: Int) -> UInt64 { address &+ UInt64(offset) }

  /// The address that the reference at `offset` names; of a page half alone if `alone`.
  func target(_ offset: Int, alone: Bool = false) -> UInt64 {
    let distance = alone ? 0 : partner(offset)
    return WordCode.target(
      ByteKind(rawValue: kinds[offset]), word: word(offset), place: place(offset),
      partner: distance == 0 ? 0 : word(offset + distance), partnerPlace: place(offset + distance))
  }
}
