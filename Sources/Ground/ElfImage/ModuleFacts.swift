package import Bytes

/// What a module says about itself: `struct hitless_module_facts` as a value.
package struct ModuleFacts: Equatable, Sendable {
  /// Size of the struct.
  package static let byteCount = 96
  /// `HITLESS_ABI_VERSION`.
  package static let abiVersion: UInt32 = 1
  /// Owner and type of the note that carries the facts.
  package static let note: (owner: String, type: UInt32) = ("Hitless", 1)
  /// `HITLESS_STATE_MAX`.
  package static let stateLimit: UInt32 = 4

  /// Layout of one kind of record of the host.
  package struct StateSchema: Hashable, Sendable {
    /// Changes whenever the meaning or the layout of the record does.
    package let id: UInt32
    /// Size of one record in bytes.
    package let size: UInt32

    /// Creates the schema.
    package init(id: UInt32, size: UInt32) {
      self.id = id
      self.size = size
    }
  }

  /// Version of the module.
  package struct Version: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let major: UInt32
    package let minor: UInt32
    package let patch: UInt32

    /// Creates the version.
    package init(_ major: UInt32, _ minor: UInt32, _ patch: UInt32) {
      self.major = major
      self.minor = minor
      self.patch = patch
    }

    /// Orders by major, then minor, then patch.
    package static func < (left: Version, right: Version) -> Bool {
      (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    /// The three numbers with dots between.
    package var description: String { "\(major).\(minor).\(patch)" }
  }

  /// ABI version of the headers that the module was built with.
  package let abiVersion: UInt32
  /// Interface of the slot that it fills.
  package let interfaceID: UInt32
  /// Version of that interface.
  package let interfaceVersion: UInt32
  /// Version of the module.
  package let version: Version
  /// Size of the function table in bytes.
  package let tableSize: UInt32
  /// Every kind of record that it reads or writes.
  package let states: [StateSchema]
  /// The name.
  package let name: String
}

extension ModuleFacts {
  /// Reads the 96 bytes; unused entries must be zero, so that equal facts are equal bytes.
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    var reader = ByteReader(bytes)
    abiVersion = try reader.little()
    interfaceID = try reader.little()
    interfaceVersion = try reader.little()
    version = Version(try reader.little(), try reader.little(), try reader.little())
    tableSize = try reader.little()
    states = try Self.states(&reader)
    name = try Self.name(&reader)
    try reader.finish()
  }

  private static func states(_ reader: inout ByteReader) throws(FormatError) -> [StateSchema] {
    let offset = reader.position
    let count = try reader.little(UInt32.self)
    guard count <= stateLimit else {
      throw FormatError(
        .overLimit("number of states", found: UInt64(count), limit: UInt64(stateLimit)), at: offset)
    }
    var states: [StateSchema] = []
    for index in 0..<stateLimit {
      let position = reader.position
      let state = StateSchema(id: try reader.little(), size: try reader.little())
      if index < count {
        states.append(state)
      } else if state != StateSchema(id: 0, size: 0) {
        throw FormatError(.notCanonical("an unused state"), at: position)
      }
    }
    return states
  }

  private static func name(_ reader: inout ByteReader) throws(FormatError) -> String {
    let offset = reader.position
    let bytes = try reader.bytes(32)
    let name = bytes.prefix { $0 != 0 }
    guard PlainName.isValid(name) else {
      throw FormatError(.illegal("a module name that breaks the rules"), at: offset)
    }
    guard bytes[name.count...].allSatisfy({ $0 == 0 }) else {
      throw FormatError(.notCanonical("the padding of the name"), at: offset + name.count)
    }
    return String(decoding: name, as: UTF8.self)
  }
}

extension ElfImage {
  /// The notes that claim to carry module facts; a loadable module has one.
  var moduleNotes: [ElfNote] {
    loadedNotes.filter { $0.owner == ModuleFacts.note.owner && $0.type == ModuleFacts.note.type }
  }

  /// What the module's note says; nil without a note, with several, or with one that is not well formed.
  package var moduleFacts: ModuleFacts? {
    let notes = moduleNotes
    guard notes.count == 1 else { return nil }
    return try? ModuleFacts(parsing: notes[0].description)
  }

  /// The note's description as it stands in the file, when `moduleFacts` can be read from it.
  package var moduleFactsBytes: [UInt8]? {
    moduleFacts == nil ? nil : moduleNotes.first?.description
  }
}
