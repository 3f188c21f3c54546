package import Bytes
internal import CPlatform
internal import GTPU
internal import Glibc
package import PacketIO
package import Platform

/// The N3 side of a radio node: tunnels to one UPF over one socket, with all that GTP-U asks of an
/// endpoint.
///
/// Threading: one thread.
@safe package struct N3Port: ~Copyable {
  /// Bytes of the header before an uplink packet: mandatory part, optional fields, PSC.
  package static let uplinkHeaderSize =
    GTPUHeader(.packet, pduSession: PDUSessionContainer(.uplink, qfi: 0)).encodedCount

  /// The socket.
  package private(set) var socket: UDPSocket
  /// What went through.
  package private(set) var counters = N3Counters()
  /// The UEs behind this node.
  package let directory: UEDirectory
  /// The user packets of the last `receive`; they lie in memory of this port until the next one.
  package private(set) var deliveries: [Delivery] = []
  private let upf: IPv4Endpoint
  private let arena: PacketArena
  private var echoNumber: UInt16 = 0

  /// Opens the node's end at `local`, towards the UPF at `upf`.
  package init(
    local: IPv4Endpoint, upf: IPv4Endpoint, directory: UEDirectory,
    options: UDPSocket.Options = UDPSocket.Options()
  ) throws(SystemError) {
    let socket = try UDPSocket(binding: local, options: options)
    arena = PacketArena(receiving: socket)
    deliveries.reserveCapacity(UDPSocket.packetCapacity())
    self.socket = socket
    self.upf = upf
    self.directory = directory
  }

  /// Receives what waits into `deliveries`, and answers or counts what is not for a UE of ours.
  ///
  /// Returns how many datagrams there were.
  package mutating func receive() -> Int {
    deliveries.removeAll(keepingCapacity: true)
    let count = unsafe socket.receive(into: arena.region, packets: arena.packets).count
    for index in 0..<count { unsafe receive(arena.packets[index]) }
    return count
  }

  private mutating func receive(_ packet: PacketBuffer) {
    counters.received += 1
    counters.receivedBytes += unsafe UInt64(packet.length)
    if unsafe packet.isTruncated { counters.truncated += 1 }
    // SAFETY: the socket has just filled `length` bytes there.
    let bytes = unsafe Span(_unsafeElements: packet.content)
    do throws(GTPUFault) {
      let header = try GTPUHeader(parsing: bytes)
      if let message = try ControlMessage(header: header, datagram: bytes) {
        unsafe answer(message, to: packet.peer)
      } else if let ue = directory.ue(downlinkTEID: header.teid) {
        if header.pduSession?.direction != .downlink { counters.withoutSession += 1 }
        counters.userPackets += 1
        unsafe deliveries.append(
          Delivery(ue: ue, packet: packet.dropping(header.payloadOffset)))
      } else {
        unsafe refuse(header.teid, to: packet.peer)
      }
    } catch {
      counters.malformed[Int(error.rawValue)] += 1
    }
  }

  /// Puts the header for an uplink packet of `ue` before `packet`, which needs `uplinkHeaderSize` bytes
  /// of headroom, and addresses it to the UPF.
  package func encapsulate(_ packet: inout PacketBuffer, from ue: UE) {
    let header = GTPUHeader(
      .packet, teid: ue.uplinkTEID, pduSession: PDUSessionContainer(.uplink, qfi: ue.qfi))
    unsafe packet.bytes? -= Self.uplinkHeaderSize
    guard let start = unsafe packet.bytes else { return }
    // SAFETY: the caller's headroom, now the first bytes of the packet.
    var room = unsafe MutableSpan(_unsafeStart: start, count: Self.uplinkHeaderSize)
    unsafe header.encode(payloadCount: Int(packet.length), into: &room)
    unsafe packet.length += UInt32(Self.uplinkHeaderSize)
    unsafe packet.peer = upf
  }

  /// Sends encapsulated packets; returns how many are done with, the refused ones counted.
  ///
  /// Fewer than all are done when the socket is full: wait until it is writable.
  package mutating func send(_ packets: UnsafeBufferPointer<PacketBuffer>) -> Int {
    var done = 0
    while done < packets.count {
      let result = unsafe socket.send(UnsafeBufferPointer(rebasing: packets[done...]))
      counters.sent += UInt64(result.count)
      for index in done..<done + result.count {
        counters.sentBytes += unsafe UInt64(packets[index].length)
      }
      done += result.count
      if result.code == EAGAIN || result.code == ENOBUFS { break }
      if result.code != 0 {
        counters.sendFailed += 1
        done += 1
      }
    }
    return done
  }

  /// Asks the UPF whether the path is alive.
  package mutating func sendEchoRequest() {
    echoNumber &+= 1
    sendControl(.echoRequest(sequenceNumber: echoNumber), to: upf)
  }

  /// The counters as they are now.
  package var json: JSON { counters.json(kernelDrops: socket.kernelDrops()) }

  private mutating func answer(_ message: ControlMessage, to peer: IPv4Endpoint) {
    switch message {
    case .echoRequest(let number):
      counters.echoRequests += 1
      sendControl(.echoResponse(sequenceNumber: number, restartCounter: 0), to: peer)
    case .echoResponse: counters.echoResponses += 1
    case .errorIndication: counters.errorIndications += 1
    case .supportedExtensionHeaders: counters.supportedHeaders += 1
    case .endMarker: counters.endMarkers += 1
    }
  }

  private mutating func refuse(_ teid: UInt32, to peer: IPv4Endpoint) {
    counters.unknownTunnel += 1
    // An error indication goes to the GTP-U port; where the packet came from is said inside.
    sendControl(
      .errorIndication(
        teid: teid, peer: .v4(socket.local.address.rawValue), udpPort: peer.port),
      to: IPv4Endpoint(address: peer.address, port: GTPUHeader.port))
  }

  private mutating func sendControl(_ message: ControlMessage, to peer: IPv4Endpoint) {
    var bytes = message.encoded
    let sent = unsafe bytes.withUnsafeMutableBufferPointer { buffer -> Int in
      var packet = unsafe PacketBuffer()
      unsafe packet.bytes = buffer.baseAddress
      unsafe packet.length = UInt32(buffer.count)
      unsafe packet.peer = peer
      return unsafe withUnsafePointer(to: packet) { pointer in
        unsafe socket.send(UnsafeBufferPointer(start: pointer, count: 1)).count
      }
    }
    counters.controlSent += UInt64(sent)
    counters.sendFailed += UInt64(1 - sent)
  }
}

/// A packet for a UE.
@safe package struct Delivery {
  /// Whose tunnel it came through.
  package let ue: UE
  /// The IP packet.
  package let packet: PacketBuffer
}

extension PacketBuffer {
  /// The bytes in use.
  var content: UnsafeBufferPointer<UInt8> {
    unsafe UnsafeBufferPointer(start: bytes, count: Int(length))
  }

  /// The bytes in use, to be changed.
  var mutableContent: UnsafeMutableBufferPointer<UInt8> {
    unsafe UnsafeMutableBufferPointer(start: bytes, count: Int(length))
  }

  /// The packet without its first `count` bytes, of which it must have as many.
  func dropping(_ count: Int) -> PacketBuffer {
    var rest = unsafe self
    unsafe rest.bytes? += count
    unsafe rest.length -= UInt32(count)
    unsafe rest.capacity -= UInt32(count)
    return unsafe rest
  }
}
