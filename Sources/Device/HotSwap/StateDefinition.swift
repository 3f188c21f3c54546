internal import CHitless
package import Refusal

/// A table of the host's records that modules read and write.
///
/// Threading: immutable; who touches the memory behind `records` is settled by the records' marks.
@safe
package struct StateDefinition: @unchecked Sendable {
  /// The layout of a record.
  package struct Schema: Hashable, Sendable {
    /// Changes whenever the meaning or the layout of the record does.
    package let id: UInt32
    /// Size of one record in bytes.
    package let size: UInt32

    /// Creates a schema.
    package init(id: UInt32, size: UInt32) {
      self.id = id
      self.size = size
    }
  }

  /// The name, for people.
  package let name: String
  /// Every schema that the host can give room to.
  package let schemas: [Schema]
  /// How many records there are.
  package let count: UInt64
  /// Where they lie at first, with room for the largest schema; nil: memory of the domain.
  package let records: UnsafeMutableRawPointer?

  /// Creates a table; throws when it could not be kept.
  package init(
    name: String, schemas: [Schema], count: UInt64
  ) throws(Refusal) {
    try unsafe self.init(name: name, schemas: schemas, count: count, records: nil)
  }

  /// The same with records that lie in memory of the host.
  package init(
    name: String, schemas: [Schema], count: UInt64, records: UnsafeMutableRawPointer?
  ) throws(Refusal) {
    guard !schemas.isEmpty, schemas.count <= Int(HITLESS_SCHEMAS_MAX),
      Set(schemas.map(\.id)).count == schemas.count
    else {
      throw Refusal(
        .usage, "state table '\(name)' needs different schemas",
        expected: "1 to \(HITLESS_SCHEMAS_MAX)", found: "\(schemas.count)")
    }
    for schema in schemas where !(1...HITLESS_RECORD_MAX).contains(schema.size) {
      throw Refusal(
        .limit, "records of state table '\(name)' have an unusual size",
        expected: "1 to \(HITLESS_RECORD_MAX) bytes", found: "\(schema.size) bytes")
    }
    guard (1...Self.largestCount).contains(count) else {
      throw Refusal(
        .limit, "state table '\(name)' has an unusual number of records",
        expected: "1 to \(Self.largestCount)", found: "\(count)")
    }
    self.name = name
    self.schemas = schemas
    self.count = count
    unsafe self.records = unsafe records
  }

  /// Marks and records of so many can be reserved without an overflow.
  package static let largestCount: UInt64 = 1 << 32

  /// Whether the host can give room to a schema.
  package func accepts(_ schema: Schema) -> Bool { schemas.contains(schema) }
}

extension StateDefinition.Schema: CustomStringConvertible {
  /// The schema for people.
  package var description: String { "schema 0x\(String(id, radix: 16)) of \(size) bytes" }
}
