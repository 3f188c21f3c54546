internal import CUPF
internal import Glibc
internal import PacketIO
internal import Refusal

/// Hands modules copies of the packets that nobody can write to, until the commit point.
///
/// It is how the rule is enforced that modules change nothing of the world: one that writes to a packet faults where it
/// does, and the guard takes it for what it is. Two system calls per batch and a copy of every packet: for
/// tests and for trials of new modules, not for traffic at full rate.
///
/// Threading: one worker's.
@unsafe
struct PacketShield {
  private let copies: UnsafeMutableRawPointer
  private let originals: UnsafeMutablePointer<UnsafePointer<UInt8>?>
  private var isRaised = false

  /// Bytes of all copies.
  static let byteCount = Int(UPF_BATCH_MAX) * stride
  /// Bytes of one copy; a longer packet, which no port delivers whole, is handed out as it is.
  private static let stride = 1 << 16

  /// Uses `copies`, which begins at a page, and room for a pointer per packet.
  init(
    copies: UnsafeMutableRawPointer, originals: UnsafeMutablePointer<UnsafePointer<UInt8>?>
  ) {
    unsafe self.copies = copies
    unsafe self.originals = originals
  }

  /// Puts copies in the packets' places; a run that was left in the middle has done so already.
  mutating func raise(_ packets: UnsafeMutablePointer<upf_packet>, count: Int) {
    guard unsafe !isRaised else { return }
    unsafe mprotect(copies, Self.byteCount, PROT_READ | PROT_WRITE)
    for index in 0..<count {
      unsafe originals[index] = packets[index].bytes
      let length = unsafe Int(packets[index].length)
      guard let bytes = unsafe packets[index].bytes, unsafe length <= Self.stride else { continue }
      let copy = unsafe copies + index * Self.stride
      unsafe copy.copyMemory(from: bytes, byteCount: length)
      unsafe packets[index].bytes = UnsafePointer(copy.assumingMemoryBound(to: UInt8.self))
    }
    unsafe mprotect(copies, Self.byteCount, PROT_READ)
    unsafe isRaised = true
  }

  /// Puts the packets back: the commit point writes to them.
  mutating func lower(_ packets: UnsafeMutablePointer<upf_packet>, count: Int) {
    for index in 0..<count { unsafe packets[index].bytes = originals[index] }
    unsafe isRaised = false
  }

  /// Forgets what a run has left that nobody has finished.
  mutating func reset() { unsafe isRaised = false }
}
