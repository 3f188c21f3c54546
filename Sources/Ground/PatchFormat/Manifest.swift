package import Digests

/// What a patch says about itself; the bytes that are signed (docs/format.md, section 5).
package struct Manifest: Equatable, Sendable {
  /// The one format of manifests there is.
  package static let format: UInt64 = 1
  /// The newest agent contract this build meets, compared with what a patch asks for.
  package static let agentVersion: UInt64 = 1
  /// The critical features this build knows: none has been defined yet.
  package static let knownCriticalFeatures: UInt64 = 0

  /// Oldest agent contract that can apply the patch.
  package var minimumAgent: UInt64 = 1
  /// Features without which the patch must be refused, one bit each.
  package var criticalFeatures: UInt64 = 0
  /// Features that may be ignored, one bit each.
  package var features: UInt64 = 0
  /// The product the patch is for.
  package var product: String
  /// The release it brings.
  package var release: String
  /// Strictly increasing per product and module.
  package var sequence: UInt64
  /// First second (since 1970, UTC) at which it may be applied.
  package var notBefore: UInt64?
  /// Last second at which it may be applied.
  package var notAfter: UInt64?
  /// What it changes, in the order of the blobs; never empty.
  package var components: [Component]
  /// Ids of what it resolves.
  package var resolves: [String] = []
  /// Build-ids of modules that must be in force.
  package var prerequisites: [[UInt8]] = []
  /// Digest over the list of documents delivered beside the patch.
  package var documents: SHA256Digest?

  /// Creates a manifest with what every manifest has.
  package init(product: String, release: String, sequence: UInt64, components: [Component]) {
    self.product = product
    self.release = release
    self.sequence = sequence
    self.components = components
  }

  /// What it takes to put the whole patch in force: the worst of its components.
  package var upgradeClass: UpgradeClass {
    components.map(\.upgradeClass).max() ?? .restart
  }
}

extension Manifest {
  /// Keys of the manifest's map.
  ///
  /// Unknown ones below `firstIgnorable` are refused.
  enum Key: UInt64, CaseIterable {
    case format = 1
    case minimumAgent = 2
    case criticalFeatures = 3
    case features = 4
    case product = 5
    case release = 6
    case sequence = 7
    case notBefore = 8
    case notAfter = 9
    case components = 10
    case resolves = 11
    case prerequisites = 12
    case documents = 13

    /// From here on, keys belong to features that may be ignored.
    static let firstIgnorable: UInt64 = 64
  }
}

extension Component {
  /// Keys of a component's map; unknown ones are refused.
  enum Key: UInt64, CaseIterable {
    case kind = 1
    case module = 2
    case interface = 3
    case upgradeClass = 4
    case machine = 5
    case base = 6
    case target = 7
    case delta = 8
    case states = 9
  }
}
