package import ElfImage

/// What changed from one build of a module to the next, and what that asks of a host.
package struct ModuleChange: Equatable, Sendable {
  /// Why the change needs more than a swap under load.
  package enum Obstacle: Equatable, Sendable {
    /// The slot would have to offer another version of its interface.
    case interfaceVersion(from: UInt32, to: UInt32)
    /// The function table has another size.
    case tableSize(from: UInt32, to: UInt32)
    /// The target reads or writes records of another layout.
    case states(from: [ModuleFacts.StateSchema], to: [ModuleFacts.StateSchema])
  }

  /// A section of code or constants whose bytes differ.
  package struct Section: Equatable, Sendable {
    /// Its name.
    package let name: String
    /// Its size in the base, 0 if it is not there.
    package let baseSize: UInt64
    /// Its size in the target, 0 if it is not there.
    package let targetSize: UInt64
  }

  /// What the base says about itself.
  package let base: ModuleFacts
  /// What the target says about itself.
  package let target: ModuleFacts
  /// Empty when the change can be put in force without a restart.
  package let obstacles: [Obstacle]
  /// Records that the target keeps in another layout, and can move there and back.
  package let migrations: [Migration]
  /// Kinds of records that the target keeps beside all those of the base, which stay as they are.
  package let additions: [ModuleFacts.StateSchema]
  /// Whether what is marked `HITLESS_PATCHABLE` differs.
  package let changesMarkedCode: Bool
  /// Code and constants that differ and are not marked, in the order of their names.
  package let unmarked: [Section]

  /// One kind of record whose layout changes.
  package struct Migration: Equatable, Sendable {
    /// What the base has.
    package let from: ModuleFacts.StateSchema
    /// What the target has.
    package let to: ModuleFacts.StateSchema

    /// Creates a pair.
    package init(from: ModuleFacts.StateSchema, to: ModuleFacts.StateSchema) {
      self.from = from
      self.to = to
    }
  }

  /// Whether the change can be put in force under load, with the host's records as they are.
  package var isHot: Bool { obstacles.isEmpty && migrations.isEmpty }

  /// Whether it can be put in force under load, and the host's records are rewritten on the way.
  package var isHotWithMigration: Bool { obstacles.isEmpty && !migrations.isEmpty }
}

extension ModuleChange.Migration: CustomStringConvertible {
  /// What becomes what.
  package var description: String {
    "schema \(from.id) of \(from.size) bytes becomes schema \(to.id) of \(to.size) bytes"
  }
}

extension ModuleChange.Obstacle: CustomStringConvertible {
  /// What differs, with both values.
  package var description: String {
    switch self {
    case .interfaceVersion(let old, let new): "the interface changes from version \(old) to \(new)"
    case .tableSize(let old, let new): "the function table changes from \(old) to \(new) bytes"
    case .states(let old, let new):
      "the record layouts change from \(Self.list(old)) to \(Self.list(new))"
    }
  }

  private static func list(_ states: [ModuleFacts.StateSchema]) -> String {
    "[" + states.map { "schema \($0.id) of \($0.size) bytes" }.joined(separator: ", ") + "]"
  }
}
