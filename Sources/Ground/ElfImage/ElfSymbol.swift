package import Bytes

/// One dynamic symbol: what a library offers to others or wants from them.
package struct ElfSymbol: Equatable, Sendable {
  /// `STB_…`; a value that has no name here is kept as it is.
  package struct Binding: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let local = Binding(rawValue: 0)
    package static let global = Binding(rawValue: 1)
    package static let weak = Binding(rawValue: 2)
    package static let gnuUnique = Binding(rawValue: 10)
  }

  /// `STT_…`; a value that has no name here is kept as it is.
  package struct Kind: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let none = Kind(rawValue: 0)
    package static let object = Kind(rawValue: 1)
    package static let function = Kind(rawValue: 2)
    package static let section = Kind(rawValue: 3)
    package static let threadLocal = Kind(rawValue: 6)
    package static let gnuIndirectFunction = Kind(rawValue: 10)
  }

  /// The name, without its version.
  package let name: String
  /// The version that is defined or wanted, if any.
  package let version: String?
  /// Whether the version has two signs: it is what new links take; only for definitions.
  package let isDefaultVersion: Bool
  /// How definitions of the same name in several libraries are told apart.
  package let binding: Binding
  /// What it names.
  package let kind: Kind
  /// `STV_…`: 0 default, 1 internal, 2 hidden, 3 protected.
  package let visibility: UInt8
  /// The section it is defined in; 0 is none.
  package let sectionIndex: UInt16
  /// Where it lies.
  package let value: VirtualAddress
  /// Bytes it takes.
  package let size: UInt64

  /// Whether the file has it; else it wants it.
  package var isDefined: Bool { sectionIndex != 0 }
  /// Whether other libraries can bind to it.
  package var isExported: Bool {
    isDefined && binding != .local && (visibility == 0 || visibility == 3)
  }
}

/// One entry of a symbol table, before its name and version have been looked up.
struct RawSymbol {
  let nameOffset: UInt64
  let info: UInt8
  let visibility: UInt8
  let sectionIndex: UInt16
  let value: VirtualAddress
  let size: UInt64

  /// Size of one entry in the file.
  static let byteCount: UInt64 = 24

  init(parsing reader: inout ByteReader) throws(FormatError) {
    nameOffset = UInt64(try reader.little(UInt32.self))
    info = try reader.byte()
    visibility = try reader.byte() & 3
    sectionIndex = try reader.little()
    value = VirtualAddress(try reader.little())
    size = try reader.little()
  }

  func named(_ name: String, version: (name: String, isDefault: Bool)? = nil) -> ElfSymbol {
    ElfSymbol(
      name: name, version: version?.name, isDefaultVersion: version?.isDefault ?? false,
      binding: ElfSymbol.Binding(rawValue: info >> 4), kind: ElfSymbol.Kind(rawValue: info & 15),
      visibility: visibility, sectionIndex: sectionIndex, value: value, size: size)
  }
}

extension ElfImage {
  /// Returns the symbols for linkers and debuggers; none in a stripped file.
  package func localSymbols() throws(FormatError) -> [ElfSymbol] {
    guard let table = sections.first(where: { $0.kind == .symbolTable }) else { return [] }
    guard table.link < UInt32(sections.count) else {
      throw FormatError(.illegal("the link of the symbol table"), at: bytes.count)
    }
    let strings = sections[Int(table.link)]
    let end = try strings.offset.adding(strings.size, at: bytes.count)
    var names = try StringTable(bytes, in: strings.offset..<end)
    let count = table.size / RawSymbol.byteCount
    guard count <= ElfLimits.symbols else {
      throw FormatError(
        .overLimit("number of symbols", found: count, limit: ElfLimits.symbols), at: bytes.count)
    }
    let tableEnd = try table.offset.adding(count * RawSymbol.byteCount, at: bytes.count)
    var reader = try ByteReader(bytes, in: table.offset..<tableEnd)
    var symbols: [ElfSymbol] = []
    for _ in 0..<count {
      let symbol = try RawSymbol(parsing: &reader)
      symbols.append(symbol.named(try names.string(at: symbol.nameOffset)))
    }
    return symbols
  }
}
