import CPlatform
import PacketIO

/// Memory for a test's packets, freed at its end.
@safe final class Buffers {
  let region: UnsafeMutableRawBufferPointer
  let packets: UnsafeMutableBufferPointer<PacketBuffer>
  private let stride: Int

  /// `count` packets of `stride` bytes, each pointing to its own place.
  init(count: Int, stride: Int, region size: Int? = nil) {
    self.stride = stride
    let size = size ?? count * stride
    unsafe region = .allocate(byteCount: size, alignment: 64)
    unsafe region.initializeMemory(as: UInt8.self, repeating: 0)
    unsafe packets = .allocate(capacity: count)
    unsafe packets.initialize(repeating: PacketBuffer())
    if size >= count * stride { reset() }
  }

  deinit {
    unsafe region.deallocate()
    unsafe packets.deallocate()
  }

  /// Points every packet to its place again.
  func reset() {
    for index in unsafe 0..<packets.count {
      let place = unsafe region.baseAddress.map { unsafe $0 + index * stride }
      unsafe packets[index].bytes = unsafe place?.assumingMemoryBound(to: UInt8.self)
      unsafe packets[index].capacity = UInt32(stride)
    }
  }

  /// Fills packet `index` and addresses it.
  func put(_ bytes: [UInt8], at index: Int, to peer: IPv4Endpoint? = nil) {
    unsafe packets[index].bytes?.update(from: bytes, count: bytes.count)
    unsafe packets[index].length = UInt32(bytes.count)
    if let peer { unsafe packets[index].peer = peer }
  }

  /// What packet `index` holds.
  func get(_ index: Int) -> [UInt8] {
    unsafe Array(
      UnsafeBufferPointer(start: packets[index].bytes, count: Int(packets[index].length)))
  }

  /// The first `count` packets, to be sent.
  func first(_ count: Int) -> UnsafeBufferPointer<PacketBuffer> {
    unsafe UnsafeBufferPointer(rebasing: packets[0..<count])
  }
}
