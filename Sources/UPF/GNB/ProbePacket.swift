package import PacketIO

/// An IPv4 packet with one UDP datagram with one probe record.
package struct ProbePacket: Equatable, Sendable {
  private static let ipSize = 20
  private static let udpSize = 8
  /// Bytes before the record in a packet without IP options.
  package static let headerSize = ipSize + udpSize
  private static let udp: UInt8 = 17

  /// Who sent it.
  package var source: IPv4Endpoint
  /// Who gets it.
  package var destination: IPv4Endpoint
  /// What it carries.
  package var record: ProbeRecord

  /// Creates a packet.
  package init(source: IPv4Endpoint, destination: IPv4Endpoint, record: ProbeRecord) {
    self.source = source
    self.destination = destination
    self.record = record
  }

  /// Prepares `bytes`, as long as the packet will be, with everything that is the same in every
  /// packet; returns the checksum of the filler, for `write`.
  static func prepare(_ bytes: inout MutableSpan<UInt8>) -> UInt32 {
    ProbeRecord.writeFiller(&bytes, recordAt: headerSize)
    bytes[0] = 0x45
    bytes[1] = 0
    bytes.put(UInt16(truncatingIfNeeded: bytes.count), at: 2)
    bytes.put(UInt32(0x4000), at: 4)  // don't fragment
    bytes[8] = 64
    bytes[9] = udp
    bytes.put(UInt16(truncatingIfNeeded: bytes.count - ipSize), at: ipSize + 4)
    return InternetChecksum.sum(bytes.span, headerSize + ProbeRecord.size..<bytes.count)
  }

  /// Writes the packet into prepared `bytes`.
  func write(_ bytes: inout MutableSpan<UInt8>, filler: UInt32) {
    bytes.put(source.address.rawValue, at: 12)
    bytes.put(destination.address.rawValue, at: 16)
    bytes.put(source.port, at: Self.ipSize)
    bytes.put(destination.port, at: Self.ipSize + 2)
    record.write(&bytes, at: Self.headerSize)
    bytes.put(UInt16(0), at: 10)
    bytes.put(
      InternetChecksum.field(InternetChecksum.sum(bytes.span, 0..<Self.ipSize)), at: 10)
    bytes.put(UInt16(0), at: Self.ipSize + 6)
    let head = InternetChecksum.sum(
      bytes.span, Self.ipSize..<Self.headerSize + ProbeRecord.size,
      Self.pseudoHeader(bytes.span, udpAt: Self.ipSize, count: bytes.count - Self.ipSize))
    let sum = InternetChecksum.folded(UInt64(head) + UInt64(filler))
    bytes.put(Self.nonZero(InternetChecksum.field(sum)), at: Self.ipSize + 6)
  }

  /// Reads the packet at the start of `bytes` and checks all its lengths and checksums.
  package init(parsing bytes: Span<UInt8>) throws(ProbeRecord.Fault) {
    guard bytes.count >= Self.headerSize, bytes[0] >> 4 == 4, bytes[9] == Self.udp else {
      throw .foreign
    }
    let udp = Int(bytes[0] & 0xf) * 4
    let total = Int(bytes.big16(at: 2))
    guard udp >= Self.ipSize, total == bytes.count, udp + Self.udpSize <= total else {
      throw .foreign
    }
    guard Int(bytes.big16(at: udp + 4)) == total - udp else { throw .foreign }
    record = try ProbeRecord(parsing: bytes, at: udp + Self.udpSize)
    source = Self.endpoint(bytes, addressAt: 12, portAt: udp)
    destination = Self.endpoint(bytes, addressAt: 16, portAt: udp + 2)
    let start = Self.pseudoHeader(bytes, udpAt: udp, count: total - udp)
    guard InternetChecksum.field(InternetChecksum.sum(bytes, 0..<udp)) == 0,
      InternetChecksum.field(InternetChecksum.sum(bytes, udp..<total, start)) == 0
    else { throw .corrupt }
  }

  /// Turns the packet around as the sink does.
  ///
  /// Source and destination change places, and the record says that it is returned. `bytes` must have
  /// been parsed.
  static func turnAround(_ bytes: inout MutableSpan<UInt8>) {
    let udp = Int(bytes[0] & 0xf) * 4
    for offset in 0..<4 { bytes.swapAt(12 + offset, 16 + offset) }
    for offset in 0..<2 { bytes.swapAt(udp + offset, udp + 2 + offset) }
    // One 16-bit word grows by one, so its complement sum shrinks by one (RFC 1624).
    ProbeRecord.markReturned(&bytes, at: udp + udpSize)
    let sum = UInt64(~bytes.span.big16(at: udp + 6)) + 1
    bytes.put(nonZero(InternetChecksum.field(InternetChecksum.folded(sum))), at: udp + 6)
  }

  /// Zero would mean "no checksum".
  private static func nonZero(_ field: UInt16) -> UInt16 { field == 0 ? 0xffff : field }

  private static func pseudoHeader(_ bytes: Span<UInt8>, udpAt udp: Int, count: Int) -> UInt32 {
    InternetChecksum.sum(bytes, 12..<20, UInt32(Self.udp) + UInt32(count))
  }

  private static func endpoint(
    _ bytes: Span<UInt8>, addressAt address: Int, portAt port: Int
  ) -> IPv4Endpoint {
    IPv4Endpoint(
      address: IPv4Address(rawValue: bytes.big32(at: address)), port: bytes.big16(at: port))
  }
}
