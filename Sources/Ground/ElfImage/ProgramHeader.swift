package import Bytes

/// One segment: what the loader maps, and what it looks for.
package struct ProgramHeader: Equatable, Sendable {
  /// Size of one entry in the file.
  package static let byteCount: UInt64 = 56

  /// `p_type`; a value that has no name here is kept as it is.
  package struct Kind: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let null = Kind(rawValue: 0)
    package static let load = Kind(rawValue: 1)
    package static let dynamic = Kind(rawValue: 2)
    package static let interpreter = Kind(rawValue: 3)
    package static let note = Kind(rawValue: 4)
    package static let programHeaders = Kind(rawValue: 6)
    package static let threadLocal = Kind(rawValue: 7)
    package static let exceptionHeader = Kind(rawValue: 0x6474_e550)
    package static let stack = Kind(rawValue: 0x6474_e551)
    package static let relro = Kind(rawValue: 0x6474_e552)
    package static let property = Kind(rawValue: 0x6474_e553)
  }

  /// What the segment is.
  package let kind: Kind
  /// `p_flags`.
  package let flags: UInt32
  /// Where it lies in the file.
  package let offset: UInt64
  /// Where it lies in the image.
  package let address: VirtualAddress
  /// Bytes in the file.
  package let fileSize: UInt64
  /// Bytes in memory.
  package let memorySize: UInt64
  /// `p_align`.
  package let alignment: UInt64

  /// Reads one entry.
  package init(parsing reader: inout ByteReader) throws(FormatError) {
    kind = Kind(rawValue: try reader.little())
    flags = try reader.little()
    offset = try reader.little()
    address = VirtualAddress(try reader.little())
    try reader.skip(8)
    fileSize = try reader.little()
    memorySize = try reader.little()
    alignment = try reader.little()
  }

  /// PF_X.
  package var isExecutable: Bool { flags & 1 != 0 }
  /// PF_W.
  package var isWritable: Bool { flags & 2 != 0 }
  /// PF_R.
  package var isReadable: Bool { flags & 4 != 0 }

  /// Addresses of the bytes in memory; nil when they do not fit 64 bits.
  package var memory: Range<UInt64>? { range(address.rawValue, memorySize) }
  /// Offsets of the bytes in the file; nil when they do not fit 64 bits.
  package var file: Range<UInt64>? { range(offset, fileSize) }
}

private func range(_ start: UInt64, _ count: UInt64) -> Range<UInt64>? {
  let (end, overflow) = start.addingReportingOverflow(count)
  return overflow ? nil : start..<end
}

extension ProgramHeader.Kind: CustomStringConvertible {
  /// The name as readelf prints it.
  package var description: String {
    switch self {
    case .null: "NULL"
    case .load: "LOAD"
    case .dynamic: "DYNAMIC"
    case .interpreter: "INTERP"
    case .note: "NOTE"
    case .programHeaders: "PHDR"
    case .threadLocal: "TLS"
    case .exceptionHeader: "GNU_EH_FRAME"
    case .stack: "GNU_STACK"
    case .relro: "GNU_RELRO"
    case .property: "GNU_PROPERTY"
    default: "0x\(String(rawValue, radix: 16))"
    }
  }
}
