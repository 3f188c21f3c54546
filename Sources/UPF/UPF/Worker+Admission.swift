internal import CPlatform
internal import CUPF
internal import GTPU
internal import PacketIO

extension Worker {
  /// Stage gtpu_parse: puts a user's packet into the batch, and gives everything else its fate.
  @inline(__always)
  func admit(_ chunk: Chunk, _ index: Int) {
    let buffer = unsafe chunk.packets[index]
    let fate: PacketFate?
    if unsafe buffer.isTruncated {
      fate = .datagramTruncated
    } else {
      switch unsafe chunk.origin(index) {
      case .n3: fate = unsafe admitUplink(buffer, index)
      case .n6: fate = unsafe admitDownlink(buffer, index)
      }
    }
    if let fate { unsafe fates[index] = fate.rawValue }
  }

  @inline(__always)
  private func admitUplink(_ buffer: PacketBuffer, _ index: Int) -> PacketFate? {
    guard let bytes = unsafe buffer.bytes else { return PacketFate(.truncatedHeader) }
    let view = unsafe PacketView(UnsafePointer(bytes), count: Int(buffer.length))
    let header: GTPUHeader
    do throws(GTPUFault) {
      header = try unsafe view.withSpan { (span) throws(GTPUFault) in
        try GTPUHeader(parsing: span)
      }
    } catch {
      if case .extensionHeaderNotSupported = error { unsafe noticeHeaders(to: buffer) }
      return PacketFate(error)
    }
    // Patterns, not `==`, which would call through the enumeration's witness table.
    guard case .packet = header.type else { return unsafe answer(header, view, buffer) }
    if let container = header.pduSession, case .downlink = container.direction {
      return .wrongPDUSessionDirection
    }
    let place = unsafe pipeline.pointee.packets + pipeline.pointee.count
    unsafe place.pointee.teid = header.teid
    unsafe place.pointee.tunnel_address = n3Address
    unsafe place.pointee.direction = UInt8(UPF_UPLINK)
    unsafe place.pointee.qfi = header.pduSession?.qfi ?? 0
    let inner = unsafe PacketView(
      view.base + header.payloadOffset, count: view.count - header.payloadOffset)
    if let fate = unsafe InnerPacket.parse(inner, into: place) { return fate }
    enter(index, headroom: header.payloadOffset)
    return nil
  }

  @inline(__always)
  private func admitDownlink(_ buffer: PacketBuffer, _ index: Int) -> PacketFate? {
    guard let bytes = unsafe buffer.bytes else { return .innerTruncated }
    let view = unsafe PacketView(UnsafePointer(bytes), count: Int(buffer.length))
    let place = unsafe pipeline.pointee.packets + pipeline.pointee.count
    unsafe place.pointee.teid = 0
    unsafe place.pointee.tunnel_address = 0
    unsafe place.pointee.direction = UInt8(UPF_DOWNLINK)
    unsafe place.pointee.qfi = 0
    if let fate = unsafe InnerPacket.parse(view, into: place) { return fate }
    // The key table holds IPv4 addresses as numbers below 2^32: no IPv6 prefix may look like one.
    if unsafe place.pointee.ip_version == 6, unsafe view.raw32(24) == 0 { return .unknownUE }
    enter(index, headroom: packetHeadroom)
    return nil
  }

  /// Makes the packet that was just parsed part of the batch.
  @inline(__always)
  private func enter(_ index: Int, headroom: Int) {
    let entry = unsafe pipeline.pointee.count
    unsafe pipeline.pointee.entries[entry] = BatchEntry(
      source: UInt8(truncatingIfNeeded: index), fate: PacketFate.moduleFailed.rawValue,
      headroom: UInt16(truncatingIfNeeded: headroom), session: UPF_NONE)
    unsafe pipeline.pointee.batch.pointee.count &+= 1
  }

  /// A message that carries no user packet: what it is counted as, and the reply to it.
  private func answer(
    _ header: GTPUHeader, _ view: PacketView, _ buffer: PacketBuffer
  ) -> PacketFate {
    let message: ControlMessage?
    do throws(GTPUFault) {
      message = try unsafe view.withSpan { (span) throws(GTPUFault) in
        try ControlMessage(header: header, datagram: span)
      }
    } catch {
      return PacketFate(error)
    }
    switch message {
    case .echoRequest(let number):
      unsafe replies.add(
        .echoResponse(sequenceNumber: number, restartCounter: 0), to: buffer.address, buffer.port)
      pending.echoResponses += 1
      return .echoRequest
    case .echoResponse: return .echoResponse
    case .errorIndication: return .errorIndication
    case .supportedExtensionHeaders: return .supportedExtensionHeaders
    case .endMarker: return .endMarker
    // The header said that it is none.
    case nil: return PacketFate(.unknownMessageType)
    }
  }

  /// Tells a peer that the tunnel it uses does not exist (TS 29.281, section 7.3.1).
  func indicateError(teid: UInt32, to buffer: PacketBuffer) {
    guard errorIndications.allows(at: now) else {
      pending.errorsSuppressed += 1
      return
    }
    unsafe replies.add(
      .errorIndication(teid: teid, peer: .v4(n3Address), udpPort: buffer.port),
      to: buffer.address, GTPUHeader.port)
    pending.errors += 1
  }

  /// Tells a peer which extension headers this node understands (TS 29.281, section 7.2.3).
  private func noticeHeaders(to buffer: PacketBuffer) {
    guard headerNotices.allows(at: now) else {
      pending.noticesSuppressed += 1
      return
    }
    unsafe replies.add(
      .supportedExtensionHeaders(ExtensionHeader.supported), to: buffer.address, GTPUHeader.port)
    pending.notices += 1
  }
}
