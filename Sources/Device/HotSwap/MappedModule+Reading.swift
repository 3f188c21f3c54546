internal import Platform
internal import Refusal
internal import Synchronization

extension MappedModule {
  /// How long unmapping waits for who is reading the image.
  private static let readingLimit: UInt64 = 1_000_000_000
  private static let readingPause: UInt64 = 50_000

  /// The readable part of the image, as it is in memory now, in pieces of at most `size` bytes.
  ///
  /// Code, constants, and the data that the loader has relocated: a module has no bytes that change after that.
  package func pieces(of size: Int) -> [Range<UInt>] {
    var pieces: [Range<UInt>] = []
    for segment in image.layout.segments where segment.isReadable {
      var start = segment.addresses.lowerBound
      while start < segment.addresses.upperBound {
        let end = min(segment.addresses.upperBound, start + UInt(max(1, size)))
        pieces.append(start..<end)
        start = end
      }
    }
    return pieces
  }

  /// Copies a piece of the image; nil when the module is not mapped any more, or is about to be unmapped.
  ///
  /// Holds no lock: who unmaps waits for this call instead, and nobody else does.
  ///
  /// Ordering: sequentially consistent on both words, here and in `endReading`. Each side writes its own
  /// word and then reads the other's; with less, both could miss each other, and this side read what
  /// is gone. The release at the end pairs with the acquire of the wait: the reads are over by then.
  package func bytes(of piece: Range<UInt>) -> [UInt8]? {
    readers.add(1, ordering: .sequentiallyConsistent)
    defer { readers.subtract(1, ordering: .releasing) }
    guard isReadable.load(ordering: .sequentiallyConsistent) else { return nil }
    return image.layout.bytes(at: piece)
  }

  /// Lets nobody read the image any more, and waits until nobody does.
  func endReading() throws(Refusal) {
    isReadable.store(false, ordering: .sequentiallyConsistent)
    let deadline = Deadline.after(Self.readingLimit)
    while readers.load(ordering: .sequentiallyConsistent) > 0 {
      guard !deadline.hasPassed else {
        throw Refusal(.busy, "module '\(name)' is being read: it stays mapped")
      }
      sleepNanoseconds(Self.readingPause)
    }
  }
}
