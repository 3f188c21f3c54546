import CPlatform
import PacketIO
import TestSupport
import Testing
@testable import UPF

@Suite("Packet ring")
struct PacketRingTests {
  private func push(_ ring: PacketRing, _ bytes: [UInt8], _ tag: UInt32 = 0) -> Bool {
    var copy = bytes
    return unsafe copy.withUnsafeMutableBufferPointer { buffer in
      var packet = unsafe PacketBuffer()
      unsafe packet.bytes = buffer.baseAddress ?? UnsafeMutablePointer(bitPattern: 16)
      unsafe packet.length = UInt32(buffer.count)
      unsafe packet.address = tag
      return unsafe ring.push(packet, origin: tag.isMultiple(of: 2) ? .n3 : .n6)
    }
  }

  private func take(_ ring: PacketRing, limit: Int = 4) -> [(
    bytes: [UInt8], tag: UInt32, origin: UInt8
  )] {
    var packets = unsafe [PacketBuffer](repeating: PacketBuffer(), count: limit)
    var origins = [UInt8](repeating: 9, count: limit)
    return unsafe packets.withUnsafeMutableBufferPointer { buffers in
      unsafe origins.withUnsafeMutableBufferPointer { marks in
        guard let first = marks.baseAddress else { return [] }
        let count = unsafe ring.take(into: buffers, origins: first)
        return (0..<count).map { index in
          let packet = unsafe buffers[index]
          let bytes = unsafe UnsafeBufferPointer(start: packet.bytes, count: Int(packet.length))
          return unsafe (Array(bytes), packet.address, marks[index])
        }
      }
    }
  }

  @Test func `packets come out as they went in, in order, once published`() throws {
    let ring = try PacketRing(byteCount: 4096)
    #expect(push(ring, [1, 2, 3], 1))
    #expect(push(ring, [], 2))
    #expect(take(ring).isEmpty)
    ring.publish()
    let taken = take(ring)
    #expect(taken.map(\.bytes) == [[1, 2, 3], []])
    #expect(taken.map(\.tag) == [1, 2])
    #expect(taken.map(\.origin) == [PacketOrigin.n6.rawValue, PacketOrigin.n3.rawValue])
    #expect(!ring.isEmpty)
    ring.release()
    #expect(ring.isEmpty)
  }

  @Test func `a full ring takes nothing more until something is released`() throws {
    let ring = try PacketRing(byteCount: 4096)
    var count = 0
    while push(ring, [UInt8](repeating: UInt8(count), count: 100)) { count += 1 }
    #expect(count == 4096 / 144)
    ring.publish()
    #expect(take(ring, limit: 1).count == 1)
    #expect(!push(ring, [UInt8](repeating: 0, count: 100)))
    ring.release()
    #expect(push(ring, [UInt8](repeating: 0, count: 100)))
  }

  @Test func `the longest packet fits an empty ring wherever its positions stand`() throws {
    let ring = try PacketRing(byteCount: 4096)
    let longest = [UInt8](repeating: 7, count: ring.largestPacket)
    #expect(!push(ring, longest + [7]))
    for size in 0..<300 {
      #expect(push(ring, [UInt8](repeating: 1, count: size)))
      ring.publish()
      #expect(take(ring).map(\.bytes.count) == [size])
      ring.release()
      #expect(push(ring, longest), "after \(size) bytes")
      ring.publish()
      #expect(take(ring).map(\.bytes) == [longest])
      ring.release()
    }
  }

  @Test func `any sequence of pushes and takes keeps every byte`() throws {
    let seed: UInt64 = 0x5eed_0031
    var random = SeededGenerator(seed: seed)
    let ring = try PacketRing(byteCount: 4096)
    var expected: [[UInt8]] = []
    for _ in 0..<20_000 {
      if Bool.random(using: &random) {
        let bytes = random.bytes(Int.random(in: 0...200, using: &random))
        if push(ring, bytes) { expected.append(bytes) }
        ring.publish()
      } else {
        let taken = take(ring, limit: Int.random(in: 1...8, using: &random)).map(\.bytes)
        #expect(taken == Array(expected.prefix(taken.count)), "SeededGenerator(seed: \(seed))")
        expected.removeFirst(taken.count)
        ring.release()
      }
    }
  }
}
