internal import ElfImage
internal import Refusal

/// What a module must be to fill one slot of the host.
package struct SlotRequirement: Equatable, Sendable {
  /// The slot's name.
  package let name: String
  /// Interface number, as the host defines it.
  package let interfaceID: UInt32
  /// Version of that interface.
  package let interfaceVersion: UInt32
  /// Size in bytes of the smallest function table that serves.
  package let tableSize: UInt32

  /// Creates a requirement.
  package init(name: String, interfaceID: UInt32, interfaceVersion: UInt32, tableSize: UInt32) {
    self.name = name
    self.interfaceID = interfaceID
    self.interfaceVersion = interfaceVersion
    self.tableSize = tableSize
  }

  /// Throws unless a module with these facts may fill the slot.
  func check(_ facts: ModuleFacts) throws(Refusal) {
    guard facts.interfaceID == interfaceID, facts.interfaceVersion == interfaceVersion else {
      throw Refusal(
        .notForTarget, "module '\(facts.name)' fills another interface than slot '\(name)' has",
        expected: describe(interfaceID, interfaceVersion),
        found: describe(facts.interfaceID, facts.interfaceVersion), at: name,
        hint: "build the module against the headers of this host")
    }
    guard facts.tableSize >= tableSize else {
      throw Refusal(
        .notForTarget,
        "the function table of module '\(facts.name)' is too small for slot '\(name)'",
        expected: "at least \(tableSize) bytes", found: "\(facts.tableSize)", at: name)
    }
  }

  private func describe(_ id: UInt32, _ version: UInt32) -> String {
    "interface 0x\(String(id, radix: 16)) version \(version)"
  }
}
