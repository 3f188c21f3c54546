package import Digests

/// One changed module of a patch (docs/format.md, section 5.2).
package struct Component: Equatable, Sendable {
  /// What a component changes.
  package enum Kind: UInt64, Sendable {
    /// A module, by a delta.
    case module = 1
  }

  /// A slot's interface as a module fills it.
  package struct Interface: Hashable, Sendable {
    /// The number that the host defines.
    package let id: UInt32
    /// Its version.
    package let version: UInt32

    /// Creates an interface.
    package init(id: UInt32, version: UInt32) {
      self.id = id
      self.version = version
    }
  }

  /// The machine an image is for.
  package struct Machine: Hashable, Sendable {
    /// `e_machine` of the ELF header.
    package let machine: UInt16
    /// `e_flags` of the ELF header.
    package let flags: UInt32

    /// Creates a machine.
    package init(machine: UInt16, flags: UInt32) {
      self.machine = machine
      self.flags = flags
    }
  }

  /// What identifies a module image.
  package struct Image: Hashable, Sendable {
    /// Digest of the whole file.
    package let digest: SHA256Digest
    /// Size of the whole file in bytes.
    package let size: UInt64
    /// The build-id of its GNU note.
    package let buildID: [UInt8]

    /// Creates an identity.
    package init(digest: SHA256Digest, size: UInt64, buildID: [UInt8]) {
      self.digest = digest
      self.size = size
      self.buildID = buildID
    }
  }

  /// What turns the base into the target.
  package struct Delta: Equatable, Sendable {
    /// Number of the codec.
    package let codec: UInt8
    /// Size of the blob in bytes.
    package let size: UInt64
    /// Digest of the blob.
    package let digest: SHA256Digest
    /// Memory that decoding needs, base and target included, in bytes.
    package let memory: UInt64

    /// Creates a description of a blob.
    package init(codec: UInt8, size: UInt64, digest: SHA256Digest, memory: UInt64) {
      self.codec = codec
      self.size = size
      self.digest = digest
      self.memory = memory
    }
  }

  /// The layout of one kind of host-owned record that the target uses.
  package struct State: Hashable, Sendable {
    /// Id of the schema.
    package let id: UInt32
    /// Size of a record in bytes.
    package let size: UInt32
    /// Schema of the base's records that the target can migrate, when that is another one.
    package let migratesFrom: UInt32?

    /// Creates a schema.
    package init(id: UInt32, size: UInt32, migratesFrom: UInt32? = nil) {
      self.id = id
      self.size = size
      self.migratesFrom = migratesFrom
    }
  }

  /// What this component changes.
  package let kind: Kind
  /// Name of the module.
  package let module: String
  /// The slot interface that base and target fill.
  package let interface: Interface
  /// What it takes to put the change in force.
  package let upgradeClass: UpgradeClass
  /// The machine that base and target are for.
  package let machine: Machine
  /// The module the delta starts from.
  package let base: Image
  /// The module it yields.
  package let target: Image
  /// How it does that.
  package let delta: Delta
  /// Every kind of per-record state the target reads or writes.
  package let states: [State]

  /// Creates a module component.
  package init(
    module: String, interface: Interface, upgradeClass: UpgradeClass, machine: Machine,
    base: Image, target: Image, delta: Delta, states: [State]
  ) {
    kind = .module
    self.module = module
    self.interface = interface
    self.upgradeClass = upgradeClass
    self.machine = machine
    self.base = base
    self.target = target
    self.delta = delta
    self.states = states
  }
}

/// What it takes to put a change in force; ordered, so that the worst of several is their maximum.
package enum UpgradeClass: UInt64, CaseIterable, Comparable, Sendable {
  /// Nothing but a policy document changes.
  case policy = 1
  /// A swap under load.
  case hot = 2
  /// A swap under load that also migrates per-record state.
  case hotWithMigration = 3
  /// A restart of the host.
  case restart = 4

  /// The class as it is written in documents and on the command line.
  package var name: String {
    switch self {
    case .policy: "policy"
    case .hot: "hot"
    case .hotWithMigration: "hot-with-migration"
    case .restart: "restart"
    }
  }

  /// Orders by what it takes.
  package static func < (left: UpgradeClass, right: UpgradeClass) -> Bool {
    left.rawValue < right.rawValue
  }
}
