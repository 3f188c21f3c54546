import ElfImage
import Testing

/// The fields of a program header that tests change.
enum SegmentField: Int, Sendable {
  case offset = 8
  case address = 16
  case fileSize = 32
  case memorySize = 40
  case alignment = 48
}

/// A file whose fields can be overwritten in place.
struct ElfFile {
  private(set) var bytes: [UInt8]

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func set<Value: FixedWidthInteger>(at offset: Int, _ value: Value) {
    for index in 0..<Value.bitWidth / 8 {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> Value(8 * index))
    }
  }

  /// The indices of the segments of one kind.
  func segments(_ kind: ProgramHeader.Kind) -> [Int] {
    guard let image = try? ElfImage(parsing: bytes) else { return [] }
    return image.programHeaders.indices.filter { image.programHeaders[$0].kind == kind }
  }

  mutating func setSegment(_ index: Int, _ field: SegmentField, _ value: UInt64) {
    set(at: start(index) + field.rawValue, value)
  }

  mutating func setKind(_ index: Int, _ kind: ProgramHeader.Kind) {
    set(at: start(index), kind.rawValue)
  }

  mutating func swapSegments(_ one: Int, _ other: Int) {
    for index in 0..<56 { bytes.swapAt(start(one) + index, start(other) + index) }
  }

  mutating func copySegment(_ one: Int, to other: Int) {
    for index in 0..<56 { bytes[start(other) + index] = bytes[start(one) + index] }
  }

  mutating func setDynamic(_ tag: DynamicEntry.Tag, value: UInt64) throws {
    set(at: try entry(tag) + 8, value)
  }

  mutating func renameDynamic(_ tag: DynamicEntry.Tag, to other: DynamicEntry.Tag) throws {
    set(at: try entry(tag), other.rawValue)
  }

  mutating func setFirstRelocation(place: UInt64? = nil, type: UInt32? = nil) throws {
    let image = try ElfImage(parsing: bytes)
    let table = try #require(image.dynamic.value(of: .rela))
    // The first segment of a module is mapped at zero.
    if let place { set(at: Int(table), place) }
    if let type { set(at: Int(table) + 8, type) }
  }

  private func start(_ index: Int) -> Int { 64 + 56 * index }

  /// The file offset of a dynamic entry.
  private func entry(_ tag: DynamicEntry.Tag) throws -> Int {
    let image = try ElfImage(parsing: bytes)
    let segment = try #require(image.programHeaders.first { $0.kind == .dynamic })
    let index = try #require(image.dynamic.firstIndex { $0.tag == tag })
    return Int(segment.offset) + 16 * index
  }
}
