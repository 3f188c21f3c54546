internal import CHitless
internal import CUPF

/// What the workers tell the agent of their packets, so that it can compare a candidate with stable.
package struct HealthSignals: Sendable {
  /// One fate that is told, and whether a packet that ends so is an error or a drop that rules may ask for.
  package struct Definition: Sendable {
    /// The fate.
    package let fate: PacketFate
    /// An error: fewer is never worse.
    package let isError: Bool
    /// What the agent calls it.
    package var name: String { fate.name }
  }

  /// Everything that modules have to do with.
  ///
  /// What the parser drops is the same whoever serves.
  package static let definitions: [Definition] =
    [
      .noMatchingPDR, .unknownTunnel, .unknownUE, .gateClosed, .mbrExceeded, .droppedByFAR,
    ].map { Definition(fate: $0, isError: false) }
    + [
      .invalidVerdict, .moduleFailed, .tooLong, .sendFailedN3, .sendFailedN6, .handoverFull,
    ].map { Definition(fate: $0, isError: true) }

  /// The agent's number of each fate; 0: it is not told.
  private var numbers: InlineArray<64, UInt8> = .init(repeating: 0)

  /// Tells nothing but how many packets there are.
  package init() {}

  /// Makes workers tell the packets of a fate under a number that the agent has given.
  package mutating func tell(_ fate: PacketFate, as number: UInt32) {
    guard Int(fate.rawValue) < PacketFate.limit, number < HITLESS_SIGNALS else { return }
    numbers[Int(fate.rawValue)] = UInt8(number)
  }

  /// Tells what has become of a batch, once that is certain.
  ///
  /// Threading: the worker's.
  @inline(__always)
  func report(
    _ pipeline: UnsafeMutablePointer<PipelineBatch>, to worker: UnsafeMutablePointer<hitless_worker>
  ) {
    let count = unsafe pipeline.pointee.total
    let candidates = unsafe pipeline.pointee.candidateCount
    if candidates < count {
      unsafe hitless_signal_add(
        worker, 0, UInt32(HITLESS_SIGNAL_PACKETS), UInt64(count - candidates))
    }
    if candidates > 0 {
      unsafe hitless_signal_add(worker, 1, UInt32(HITLESS_SIGNAL_PACKETS), UInt64(candidates))
    }
    for entry in 0..<count {
      let number = unsafe numbers[Int(pipeline.pointee.entries[entry].fate & 63)]
      guard number != 0 else { continue }
      let side = unsafe pipeline.pointee.sides >> UInt32(entry) & 1
      unsafe hitless_signal_add(worker, side, UInt32(number), 1)
    }
  }
}
