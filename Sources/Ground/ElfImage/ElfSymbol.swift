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
  /// Whether the version has two signs: it is the one that new links take. Only for definitions.
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
