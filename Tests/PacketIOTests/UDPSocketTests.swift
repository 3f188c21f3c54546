import Glibc
import PacketIO
import Platform
import Testing

@Suite("UDP socket")
struct UDPSocketTests {
  static let loopback = IPv4Endpoint(address: IPv4Address(rawValue: 0x7f00_0001), port: 0)

  static func options(coalescing: Bool, segmenting: Bool) -> UDPSocket.Options {
    var options = UDPSocket.Options()
    options.coalesces = coalescing
    options.segments = segmenting
    return options
  }

  /// Receives until `count` packets came or a second passed.
  static func receive(
    _ count: Int, on socket: borrowing UDPSocket, into buffers: Buffers
  ) throws -> [[UInt8]] {
    var poller = Poller()
    _ = poller.add(socket.descriptor, .readable)
    var received: [[UInt8]] = []
    while received.count < count {
      let result = unsafe socket.receive(into: buffers.region, packets: buffers.packets)
      received += (0..<result.count).map(buffers.get)
      if result.count > 0 { continue }
      #expect(result.code == EAGAIN)
      if try poller.wait(nanoseconds: 1_000_000_000) == 0 { break }
    }
    return received
  }

  @Test(arguments: [(false, false), (false, true), (true, false), (true, true)])
  func `packets arrive whole and in order, however the kernel groups them`(
    coalescing: Bool, segmenting: Bool
  ) throws {
    let options = Self.options(coalescing: coalescing, segmenting: segmenting)
    let receiver = try UDPSocket(binding: Self.loopback, options: options)
    var sender = try UDPSocket(binding: Self.loopback, options: options)
    // Runs of equal length, a shorter end, a longer one: everything that cuts a run.
    let lengths = [100, 100, 100, 40, 100, 200, 200, 1, 1, 1, 1400, 1400, 1400, 700, 64]
    let sent = lengths.enumerated().map { index, length in
      (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index) }
    }
    let output = Buffers(count: sent.count, stride: 2048)
    for (index, bytes) in sent.enumerated() { output.put(bytes, at: index, to: receiver.local) }
    #expect(unsafe sender.send(output.first(sent.count)) == BatchResult(count: sent.count))

    let input = Buffers(
      count: UDPSocket.packetCapacity(messages: 4), stride: 0, region: receiver.regionSize())
    #expect(try Self.receive(sent.count, on: receiver, into: input) == sent)
    #expect(unsafe input.packets[0].peer == sender.local)
    #expect(receiver.kernelDrops() == 0)
  }

  @Test func `more packets than one call can take are all sent`() throws {
    let receiver = try UDPSocket(binding: Self.loopback)
    var sender = try UDPSocket(binding: Self.loopback)
    let output = Buffers(count: 500, stride: 64)
    // Neighbours of different length cannot share a message, so 32 messages are 32 packets.
    for index in 0..<500 {
      output.put(Array(repeating: UInt8(index & 0xff), count: 20 + index % 2 * 20), at: index)
      unsafe output.packets[index].peer = receiver.local
    }
    #expect(unsafe sender.send(output.first(500)).count == 500)
    let input = Buffers(
      count: UDPSocket.packetCapacity(), stride: 0, region: receiver.regionSize())
    let received = try Self.receive(500, on: receiver, into: input)
    #expect(received == (0..<500).map(output.get))
  }

  /// The demo's account rests on this: without coalescing what is missing was counted, one by one.
  @Test(arguments: [(false, false), (false, true), (true, false), (true, true)])
  func `what overflows the queue is counted by the kernel`(
    coalescing: Bool, segmenting: Bool
  ) throws {
    var small = Self.options(coalescing: coalescing, segmenting: false)
    small.receiveBuffer = 8192
    let receiver = try UDPSocket(binding: Self.loopback, options: small)
    var sender = try UDPSocket(
      binding: Self.loopback, options: Self.options(coalescing: false, segmenting: segmenting))
    let output = Buffers(count: 256, stride: 256)
    for index in 0..<256 {
      output.put(Array(repeating: 1, count: 200), at: index, to: receiver.local)
    }
    #expect(unsafe sender.send(output.first(256)).count == 256)
    let input = Buffers(
      count: UDPSocket.packetCapacity(), stride: 0, region: receiver.regionSize())
    var received = 0
    while true {
      let result = unsafe receiver.receive(into: input.region, packets: input.packets)
      if result.count == 0 { break }
      received += result.count
    }
    let missing = UInt64(256 - received)
    #expect(missing > 0)
    // Packet by packet when each travels alone or is queued alone, else message by message.
    let drops = receiver.kernelDrops()
    #expect(coalescing && segmenting ? drops > 0 && drops < missing : drops == missing)
  }

  @Test func `a datagram beyond the room is marked truncated`() throws {
    var options = Self.options(coalescing: false, segmenting: false)
    options.largestDatagram = 100
    let receiver = try UDPSocket(binding: Self.loopback, options: options)
    var sender = try UDPSocket(binding: Self.loopback, options: options)
    let output = Buffers(count: 2, stride: 256)
    output.put(Array(repeating: 7, count: 100), at: 0, to: receiver.local)
    output.put(Array(repeating: 8, count: 101), at: 1, to: receiver.local)
    #expect(unsafe sender.send(output.first(2)).count == 2)
    let input = Buffers(
      count: UDPSocket.packetCapacity(), stride: 0, region: receiver.regionSize())
    let result = unsafe receiver.receive(into: input.region, packets: input.packets)
    #expect(result.count == 2)
    #expect(unsafe input.packets[0].isTruncated == false)
    #expect(unsafe input.packets[1].isTruncated)
    #expect(input.get(1).count == 100)
  }

  @Test func `an idle socket says so at once`() throws {
    let receiver = try UDPSocket(binding: Self.loopback)
    let input = Buffers(
      count: UDPSocket.packetCapacity(), stride: 0, region: receiver.regionSize())
    #expect(
      unsafe receiver.receive(into: input.region, packets: input.packets)
        == BatchResult(count: 0, code: EAGAIN))
  }

  @Test func `a packet that is too long stops the batch and is named by the count`() throws {
    let receiver = try UDPSocket(binding: Self.loopback)
    var sender = try UDPSocket(binding: Self.loopback)
    let output = Buffers(count: 3, stride: 70_000)
    output.put([1, 2, 3], at: 0, to: receiver.local)
    output.put(Array(repeating: 0, count: 66_000), at: 1, to: receiver.local)
    output.put([4, 5, 6], at: 2, to: receiver.local)
    #expect(unsafe sender.send(output.first(3)) == BatchResult(count: 1, code: EMSGSIZE))
  }

  @Test func `a region without room for one message is refused`() throws {
    let receiver = try UDPSocket(binding: Self.loopback)
    let input = Buffers(
      count: UDPSocket.packetCapacity(), stride: 0, region: receiver.slot - 1)
    #expect(
      unsafe receiver.receive(into: input.region, packets: input.packets)
        == BatchResult(count: 0, code: EINVAL))
  }

  @Test func `workers share a port only when they ask for it`() throws {
    var shared = UDPSocket.Options()
    shared.reusePort = true
    let first = try UDPSocket(binding: Self.loopback, options: shared)
    let second = try UDPSocket(binding: first.local, options: shared)
    #expect(second.local == first.local)
    #expect(throws: SystemError("bind", EADDRINUSE, "\(first.local)")) {
      _ = try UDPSocket(binding: first.local)
    }
  }
}
