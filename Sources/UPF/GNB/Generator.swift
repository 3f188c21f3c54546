package import Bytes
internal import CPlatform
internal import Glibc
package import PacketIO
package import Platform

/// A radio node whose UEs send counted packets to a reflector and check what comes back.
///
/// The windowed stream is a closed loop: it never has more packets under way than the window, so that
/// no queue on a sound path overflows, and every packet that does not come back was lost by somebody.
///
/// Threading: one thread.
@safe package struct Generator: ~Copyable {
  /// UDP port of every UE.
  private static let port: UInt16 = 40_000
  /// After so long without an arrival, packets of the free stream are not waited for any more.
  private static let settling: UInt64 = 300_000_000
  /// Longest time between two looks at the clock.
  private static let tick: Int64 = 10_000_000

  private let plan: GeneratorPlan
  private let run: UInt32
  private var n3: N3Port
  private var windowed: ProbeStream
  private var free: ProbeStream
  private var tally = GeneratorTally()
  private let arena: PacketArena
  /// The stream of each packet in the arena.
  private var streams: [ProbeRecord.Stream]
  private let filler: UInt32
  private var poller = Poller()
  private let started = Clock.now
  private var ended: UInt64?
  /// When a packet was last sent or came back.
  private var lastProgress = Clock.now
  /// Sending has been ended from outside.
  private var isEnding = false

  /// Prepares to send from the UEs of `n3`; `run` tells this generator's packets from others'.
  package init(n3: consuming N3Port, plan: GeneratorPlan, run: UInt32) {
    self.plan = plan
    self.run = run
    windowed = ProbeStream(.windowed, flows: 0..<plan.windowedUEs, count: plan.count)
    free = ProbeStream(.free, flows: plan.windowedUEs..<n3.directory.count, count: nil)
    arena = PacketArena(
      count: plan.batch, room: plan.packetSize, headroom: N3Port.uplinkHeaderSize)
    streams = Array(repeating: .windowed, count: plan.batch)
    filler = Self.prepare(arena, size: plan.packetSize)
    _ = poller.add(n3.socket.descriptor, .readable)
    self.n3 = n3
  }

  /// Sends and receives until the plan is done and everything came back, or patience ends.
  ///
  /// A signal in `ending` ends sending, and what is under way is still waited for; `answer` is called
  /// for every other signal.
  package mutating func run(
    signals: borrowing SignalQueue, ending: [Int32], answer: (JSON) -> Void
  ) throws(SystemError) {
    _ = poller.add(signals.descriptor, .readable)
    while true {
      let sent = send()
      let received = receive()
      if sent + received == 0 {
        giveUpWhenDue()
        if isDone { break }
        _ = try poller.wait(nanoseconds: waitingTime)
      }
      while let signal = signals.next() {
        if ending.contains(signal) { isEnding = true } else { answer(json) }
      }
    }
    ended = Clock.now
  }

  /// All counters as they are now.
  package var json: JSON {
    let seconds = Double((ended ?? Clock.now) - started) / 1e9
    let sent = windowed.sent + free.sent
    return .object(
      [
        ("mode", .string("generate")), ("run", .integer(Int64(run))),
        ("sent", .unsigned(sent)), ("windowed", windowed.json), ("free", free.json),
        ("seconds", .number(seconds)), ("sent_per_second", .number(Double(sent) / seconds)),
      ] + tally.json + [("n3", n3.json)])
  }

  /// Whether every packet of the windowed stream came back, and nothing that should not have.
  package var isComplete: Bool { windowed.missing == 0 && tally.isClean }

  // MARK: Time

  private var isSendingOver: Bool {
    isEnding || plan.count.map { windowed.sent >= $0 } ?? false
      || max(windowed.sent, free.sent) + UInt64(plan.batch) > ProbeRecord.numberLimit
  }

  private var isDone: Bool {
    guard isSendingOver, windowed.underWay == 0 else { return false }
    return free.missing == 0 || Clock.now - lastProgress >= Self.settling
  }

  private mutating func giveUpWhenDue() {
    if Clock.now - lastProgress >= plan.patience { windowed.giveUp() }
  }

  private var waitingTime: Int64 {
    guard let rate = plan.rate, !isSendingOver else { return Self.tick }
    return min(Self.tick, Int64(1_000_000_000 / rate))
  }

  /// How many packets the rate allows by now.
  private var due: UInt64 {
    guard let rate = plan.rate else { return .max }
    // The rate is at most 1e9, so the quotient fits.
    let product = (Clock.now - started).multipliedFullWidth(by: min(rate, 1_000_000_000))
    return UInt64(1_000_000_000).dividingFullWidth(product).quotient
  }

  // MARK: Packets

  private mutating func send() -> Int {
    let sent = windowed.sent + free.sent
    let due = self.due
    var room = plan.batch
    if isSendingOver || due <= sent { return 0 }
    room = min(room, Int(clamping: due - sent))
    room = min(room, plan.window - min(plan.window, Int(clamping: windowed.underWay)))
    if let count = plan.count { room = min(room, Int(clamping: count - windowed.sent)) }
    if room == 0 { return 0 }
    fill(room)
    // What the kernel does not take is not sent: its numbers are given out again next time.
    let done = unsafe n3.send(arena.first(room))
    for stream in streams[0..<done] {
      switch stream {
      case .windowed: windowed.noteSent()
      case .free: free.noteSent()
      }
    }
    if done > 0 { lastProgress = Clock.now }
    return done
  }

  /// Makes the next `count` packets.
  private mutating func fill(_ count: Int) {
    let now = Clock.now
    var ahead: UInt64 = 0
    var freeAhead: UInt64 = 0
    for index in 0..<count {
      let isFree =
        plan.freeEvery > 0 && !free.flows.isEmpty
        && (windowed.sent + ahead) / plan.freeEvery > free.sent + freeAhead
      streams[index] = isFree ? .free : .windowed
      let record =
        isFree
        ? free.record(ahead: freeAhead, run: run, at: now)
        : windowed.record(ahead: ahead, run: run, at: now)
      if isFree { freeAhead += 1 } else { ahead += 1 }
      guard let ue = n3.directory.ue(Int(record.flow)) else { continue }
      put(record, from: ue, at: index)
    }
  }

  private mutating func put(_ record: ProbeRecord, from ue: UE, at index: Int) {
    arena.restore(index)
    unsafe arena.packets[index].length = UInt32(plan.packetSize)
    let packet = ProbePacket(
      source: IPv4Endpoint(address: ue.address, port: Self.port), destination: plan.sink,
      record: record)
    // SAFETY: the arena has `packetSize` bytes there, prepared at the start.
    var bytes = unsafe MutableSpan(_unsafeElements: arena.packets[index].mutableContent)
    packet.write(&bytes, filler: filler)
    // Through a copy of the address: Swift 6.3.1 cannot compile an inout access that goes through a
    // noncopyable value under -sanitize=thread.
    let packets = unsafe arena.packets
    unsafe n3.encapsulate(&packets[index], from: ue)
  }

  private static func prepare(_ arena: borrowing PacketArena, size: Int) -> UInt32 {
    var filler: UInt32 = 0
    for index in unsafe 0..<arena.packets.count {
      unsafe arena.packets[index].length = UInt32(size)
      // SAFETY: the arena has `size` bytes there.
      var bytes = unsafe MutableSpan(_unsafeElements: arena.packets[index].mutableContent)
      filler = ProbePacket.prepare(&bytes)
    }
    return filler
  }

  private mutating func receive() -> Int {
    let count = n3.receive()
    if count == 0 { return 0 }
    let now = Clock.now
    for delivery in n3.deliveries {
      // SAFETY: the packet lies in the port's memory until its next `receive`.
      let bytes = unsafe Span(_unsafeElements: delivery.packet.content)
      do throws(ProbeRecord.Fault) {
        take(try ProbePacket(parsing: bytes), by: delivery.ue, at: now)
      } catch {
        switch error {
        case .foreign: tally.foreign += 1
        case .corrupt: tally.corrupt += 1
        }
      }
    }
    return count
  }

  private mutating func take(_ packet: ProbePacket, by ue: UE, at now: UInt64) {
    let record = packet.record
    guard record.run == run else { return tally.foreign += 1 }
    guard record.isReturned else { return tally.notReturned += 1 }
    guard record.flow == UInt32(ue.index), packet.source == plan.sink,
      packet.destination == IPv4Endpoint(address: ue.address, port: Self.port)
    else { return tally.misdelivered += 1 }
    lastProgress = now
    let isNew: Bool
    switch record.stream {
    case .windowed:
      guard record.number < windowed.sent else { return tally.corrupt += 1 }
      isNew = windowed.noteArrival(record)
    case .free:
      guard record.number < free.sent else { return tally.corrupt += 1 }
      isNew = free.noteArrival(record)
    }
    if isNew { tally.roundTrip.add(nanoseconds: now - min(now, record.sentAt)) }
  }
}
