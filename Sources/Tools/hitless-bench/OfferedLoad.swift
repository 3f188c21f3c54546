internal import CPlatform
internal import GTPU
internal import Glibc
internal import PacketIO
internal import Platform
internal import Refusal

/// Packets of an access node at a steady rate, and the data network that counts which of them arrive.
///
/// Every other packet belongs to the last session, the others to all sessions in turn. Each carries its number.
///
/// Threading: one thread at a time.
struct OfferedLoad: ~Copyable {
  /// What has become of the packets from a moment on.
  struct Tally: Sendable {
    var offered: UInt64 = 0
    var arrived: UInt64 = 0
    /// When the first packet of the last session arrived; nil as long as none has.
    var lastSessionArrival: UInt64?
    var lost: UInt64 { offered - arrived }
  }

  /// TEID of the first session.
  static let firstTEID: UInt32 = 1
  /// Address of the first user.
  static let firstUE: UInt32 = 0x0a40_0000
  private static let innerSize = 64
  private static let numberOffset = 28

  private let sessions: UInt32
  private let packetsPerSecond: UInt64
  private let upf: IPv4Endpoint
  private let listener: PacketPortListener
  private var core: PacketPort?
  private var socket: UDPSocket
  private var number: UInt64 = 0
  /// Since when packets are offered at the rate, and how many were due then.
  private var start: UInt64 = 0
  private var due: UInt64 = 0
  /// Of which number on packets count for `tally`.
  private var first: UInt64 = 0
  private(set) var tally = Tally()

  /// Listens for the data network's side at `path`, and sends to `upf` from a port of `address`.
  init(
    sessions: UInt32, packetsPerSecond: UInt64, path: String, upf: IPv4Endpoint,
    address: IPv4Address
  ) throws(SystemError) {
    let listener = try PacketPortListener(path: path)
    let socket = try UDPSocket(binding: IPv4Endpoint(address: address, port: 0))
    self.sessions = sessions
    self.packetsPerSecond = packetsPerSecond
    self.upf = upf
    self.listener = listener
    self.socket = socket
    start = MonotonicClock.now
  }

  /// Counts from the next packet on.
  mutating func count() {
    tally = Tally()
    first = number
    (start, due) = (MonotonicClock.now, 0)
  }

  /// Takes the next packet of the last session for the first.
  mutating func forgetArrival() { tally.lastSessionArrival = nil }

  /// Offers what is due, takes what has arrived, and gives the processor away for a moment.
  mutating func turn() throws(SystemError) {
    let expected = (MonotonicClock.now - start) * packetsPerSecond / 1_000_000_000
    // What could not be offered in time is offered late, but not all at once.
    for _ in 0..<min(expected - due, 64) { offer() }
    if let port = try listener.accept() { core = consume port }
    take()
    pause(microseconds: 100)
  }

  /// Takes what arrives for so long, without offering more.
  mutating func drain(nanoseconds: UInt64) {
    let deadline = MonotonicClock.now + nanoseconds
    while MonotonicClock.now < deadline {
      take()
      pause(microseconds: 100)
    }
  }

  private mutating func offer() {
    let isLast = number.isMultiple(of: 2)
    let session = isLast ? sessions - 1 : UInt32(number / 2 % UInt64(sessions))
    var bytes = packet(session)
    // What the kernel does not take, because nobody has the port, is offered all the same.
    unsafe bytes.withUnsafeMutableBufferPointer { buffer in
      var packet = unsafe PacketBuffer()
      unsafe packet.bytes = buffer.baseAddress
      unsafe packet.length = UInt32(buffer.count)
      unsafe packet.peer = upf
      unsafe withUnsafePointer(to: packet) { pointer in
        _ = unsafe socket.send(UnsafeBufferPointer(start: pointer, count: 1))
      }
    }
    number += 1
    due += 1
    tally.offered += 1
  }

  private func packet(_ session: UInt32) -> [UInt8] {
    func big(_ value: UInt32) -> [UInt8] {
      [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
    }
    let head: [UInt8] =
      [0x45, 0, 0, UInt8(Self.innerSize), 0, 0, 0, 0, 64, 17, 0, 0]
      + big(Self.firstUE + session) + big(0x0808_0808) + [0x10, 0, 0x20, 0]
      + [0, UInt8(Self.innerSize - 20), 0, 0]
    let body =
      big(UInt32(truncatingIfNeeded: number >> 32)) + big(UInt32(truncatingIfNeeded: number))
      + big(session)
    let inner = head + body
    return GTPUHeader(
      .packet, teid: Self.firstTEID + session,
      pduSession: PDUSessionContainer(.uplink, qfi: 9)
    ).message(inner + [UInt8](repeating: 0, count: Self.innerSize - inner.count))
  }

  private mutating func take() {
    var room = [UInt8](repeating: 0, count: 2048)
    while true {
      let length = unsafe room.withUnsafeMutableBufferPointer { bytes in
        var packet = unsafe PacketBuffer()
        unsafe packet.bytes = bytes.baseAddress
        unsafe packet.capacity = UInt32(bytes.count)
        return unsafe withUnsafeMutablePointer(to: &packet) { pointer in
          let packets = unsafe UnsafeMutableBufferPointer(start: pointer, count: 1)
          return unsafe (core?.read(into: packets).count ?? 0) == 1 ? Int(packets[0].length) : 0
        }
      }
      guard length >= Self.innerSize else { return }
      note(room)
    }
  }

  private mutating func note(_ packet: [UInt8]) {
    func word(_ offset: Int, _ count: Int) -> UInt64 {
      packet[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
    guard word(Self.numberOffset, 8) >= first else { return }
    tally.arrived += 1
    if word(Self.numberOffset + 8, 4) == UInt64(sessions - 1), tally.lastSessionArrival == nil {
      tally.lastSessionArrival = MonotonicClock.now
    }
  }
}
