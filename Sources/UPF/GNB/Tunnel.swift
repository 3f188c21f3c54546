package import Bytes
internal import CPlatform
internal import Glibc
package import PacketIO
package import Platform

/// A radio node with its UEs on a TUN device: what the host sends to the device goes through the
/// tunnels, and what comes out of them goes to the host.
///
/// Threading: one thread.
@safe package struct Tunnel: ~Copyable {
  /// What went through the TUN device.
  package struct DeviceCounters: Sendable {
    /// Packets read, and their bytes.
    package var read: UInt64 = 0
    package var readBytes: UInt64 = 0
    /// Packets read whose source is no UE: the host's own, such as router solicitations.
    package var noUE: UInt64 = 0
    /// Packets read that were longer than the room for them.
    package var truncated: UInt64 = 0
    /// Packets written, and their bytes.
    package var written: UInt64 = 0
    package var writtenBytes: UInt64 = 0
    /// Packets that the device did not take.
    package var writeFailed: UInt64 = 0
  }

  private static let largestPacket = 9000

  private var n3: N3Port
  private let device: PacketPort
  private let input: PacketArena
  private var output: [PacketBuffer] = unsafe []
  private var counters = DeviceCounters()
  private var poller = Poller()
  private let n3Ready: Int
  private let n3Writable: Int
  private let deviceReady: Int

  /// Connects a device to an N3 port.
  package init(n3: consuming N3Port, device: consuming PacketPort) {
    input = PacketArena(
      count: packetBatchLimit, room: Self.largestPacket + 1, headroom: N3Port.uplinkHeaderSize)
    unsafe output.reserveCapacity(UDPSocket.packetCapacity())
    n3Ready = poller.add(n3.socket.descriptor, .readable)
    n3Writable = poller.add(n3.socket.descriptor, .writable)
    deviceReady = poller.add(device.descriptor, .readable)
    poller.enable(n3Writable, false)
    self.n3 = n3
    self.device = device
  }

  /// Moves packets until one of `signals` says to end; `answer` is called for every other.
  ///
  /// With `echoInterval` the UPF is asked whether it is there, at once and then as often.
  package mutating func run(
    signals: borrowing SignalQueue, echoInterval: UInt64?, ending: [Int32],
    answer: (JSON) -> Void
  ) throws(SystemError) {
    let signalReady = poller.add(signals.descriptor, .readable)
    var nextEcho = Clock.now
    while true {
      if let echoInterval, Clock.now >= nextEcho {
        n3.sendEchoRequest()
        nextEcho = Clock.now + echoInterval
      }
      let moved = downlink() + (try uplink())
      if moved == 0 {
        let wait = echoInterval.map { _ in Int64(clamping: nextEcho) - Int64(clamping: Clock.now) }
        _ = try poller.wait(nanoseconds: wait)
        guard poller.isReady(signalReady) else { continue }
      }
      while let signal = signals.next() {
        if ending.contains(signal) { return }
        answer(json)
      }
    }
  }

  /// All counters as they are now.
  package var json: JSON {
    .object([
      ("mode", .string("tunnel")), ("n3", n3.json),
      (
        "device",
        .object([
          ("read", .unsigned(counters.read)), ("read_bytes", .unsigned(counters.readBytes)),
          ("no_ue", .unsigned(counters.noUE)), ("truncated", .unsigned(counters.truncated)),
          ("written", .unsigned(counters.written)),
          ("written_bytes", .unsigned(counters.writtenBytes)),
          ("write_failed", .unsigned(counters.writeFailed)),
        ])
      ),
    ])
  }

  /// From the tunnels to the device.
  private mutating func downlink() -> Int {
    let count = n3.receive()
    unsafe output.removeAll(keepingCapacity: true)
    for delivery in n3.deliveries { unsafe output.append(delivery.packet) }
    var done = 0
    while unsafe done < output.count {
      // SAFETY: the packets lie in the port's memory until its next `receive`.
      let result = unsafe output.withUnsafeBufferPointer { packets in
        unsafe device.write(UnsafeBufferPointer(rebasing: packets[done...]))
      }
      for index in done..<done + result.count {
        counters.writtenBytes += unsafe UInt64(output[index].length)
      }
      counters.written += UInt64(result.count)
      done += result.count
      if result.code != 0 {
        counters.writeFailed += 1
        done += 1
      }
    }
    return count
  }

  /// From the device to the tunnels.
  private mutating func uplink() throws(SystemError) -> Int {
    input.restore()
    let count = unsafe device.read(into: input.packets).count
    var ready = 0
    for index in 0..<count {
      var packet = unsafe input.packets[index]
      counters.read += 1
      counters.readBytes += unsafe UInt64(packet.length)
      if unsafe packet.isTruncated {
        counters.truncated += 1
        continue
      }
      // SAFETY: the device has just filled `length` bytes there.
      guard let ue = unsafe sender(of: Span(_unsafeElements: packet.content)) else {
        counters.noUE += 1
        continue
      }
      unsafe n3.encapsulate(&packet, from: ue)
      unsafe input.packets[ready] = packet
      ready += 1
    }
    try send(ready)
    return count
  }

  /// Sends the first `count` packets of the input, waiting for room when there is none.
  private mutating func send(_ count: Int) throws(SystemError) {
    var done = 0
    while true {
      done += unsafe n3.send(UnsafeBufferPointer(rebasing: input.packets[done..<count]))
      if done == count { return }
      poller.enable(n3Writable, true)
      defer { poller.enable(n3Writable, false) }
      _ = try poller.wait(nanoseconds: 1_000_000)
    }
  }

  private func sender(of packet: Span<UInt8>) -> UE? {
    guard packet.count >= 20, packet[0] >> 4 == 4 else { return nil }
    return n3.directory.ue(at: packet.big32(at: 12))
  }
}
