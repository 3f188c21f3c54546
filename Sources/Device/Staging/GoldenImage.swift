internal import Digests
package import HotSwap
internal import Refusal

/// What a mapped module is made of, hashed once after the loader has relocated it.
///
/// All of the image: code, constants, and the relocated data with the function table, which are read-only from
/// then on. In pieces, so that looking at it again takes a processor and the memory for a few microseconds at a
/// time, and so that what has changed can be named.
/// Threading: immutable.
package struct GoldenImage: Sendable {
  /// Bytes that are looked at in one go.
  package static let pieceSize = 16 << 10

  /// What a look at one piece has found.
  package enum Finding: Equatable, Sendable {
    /// It is what it was.
    case same
    /// It is not; the piece begins at this address of the module's file, as tools number it.
    case changed(at: UInt64)
    /// The module is not mapped any more.
    case gone
  }

  private let pieces: [(addresses: Range<UInt>, digest: SHA256Digest)]

  /// How many pieces there are.
  package var pieceCount: Int { pieces.count }
  /// Bytes of all pieces.
  package var byteCount: Int { pieces.reduce(0) { $0 + $1.addresses.count } }

  /// Bytes of piece number `index`.
  package func size(of index: Int) -> Int { pieces[index].addresses.count }

  /// Hashes `module`, none of whose code has run yet.
  init(of module: MappedModule) throws(Refusal) {
    var pieces: [(addresses: Range<UInt>, digest: SHA256Digest)] = []
    for addresses in module.pieces(of: Self.pieceSize) {
      guard let bytes = module.bytes(of: addresses) else {
        throw Refusal(.race, "module '\(module.name)' is not mapped any more")
      }
      pieces.append((addresses, SHA256Digest(of: bytes)))
    }
    self.pieces = pieces
  }

  /// Looks at piece number `index` of the same module again.
  package func check(_ index: Int, of module: MappedModule) -> Finding {
    let piece = pieces[index]
    guard let bytes = module.bytes(of: piece.addresses) else { return .gone }
    guard SHA256Digest(of: bytes) != piece.digest else { return .same }
    return .changed(at: module.place(of: UInt64(piece.addresses.lowerBound)) ?? 0)
  }

  /// Looks at all of the module; returns the first piece that is not what it was, or `same`.
  package func check(_ module: MappedModule) -> Finding {
    for index in pieces.indices {
      let finding = check(index, of: module)
      guard finding == .same else { return finding }
    }
    return .same
  }
}
