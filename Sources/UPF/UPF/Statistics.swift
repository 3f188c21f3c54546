internal import CHitless
internal import Glibc

/// Packets and the bytes in them.
package struct Traffic: Equatable, Sendable {
  /// How many packets.
  package var packets: UInt64 = 0
  /// How many bytes they had.
  package var bytes: UInt64 = 0

  /// Creates an amount.
  package init(packets: UInt64 = 0, bytes: UInt64 = 0) {
    self.packets = packets
    self.bytes = bytes
  }

  /// Adds packets and bytes.
  package static func + (left: Traffic, right: Traffic) -> Traffic {
    Traffic(packets: left.packets &+ right.packets, bytes: left.bytes &+ right.bytes)
  }

  /// Adds packets and bytes.
  package static func += (left: inout Traffic, right: Traffic) { left = left + right }
}

/// What one build of a module did.
package struct BuildStatistics: Equatable, Sendable {
  /// The slot it filled.
  package let slot: ModuleSlot
  /// The agent's number for this image.
  package let ordinal: UInt32
  /// The image's build-id.
  package let buildID: [UInt8]
  /// Version of the module: major, minor, patch.
  package let version: [UInt32]
  /// Packets it was given.
  package var packets: UInt64
  /// Batches it was given.
  package var batches: UInt64

  init(slot: ModuleSlot, module: hitless_module_info, packets: UInt64, batches: UInt64) {
    self.slot = slot
    ordinal = module.ordinal
    let count = min(Int(module.build_id_size), 32)
    buildID = unsafe withUnsafeBytes(of: module.build_id) { bytes in
      unsafe Array(bytes.prefix(count))
    }
    version = [
      module.facts.version_major, module.facts.version_minor, module.facts.version_patch,
    ]
    self.packets = packets
    self.batches = batches
  }
}

/// What one worker, or all of them together, have done since they started.
package struct WorkerStatistics: Equatable, Sendable {
  /// Datagrams taken from N3; bytes are those of the GTP-U message.
  package var receivedN3: Traffic
  /// Packets taken from N6.
  package var receivedN6: Traffic
  /// Packets taken over from other workers.
  package var takenOver: Traffic
  /// User packets sent through N3; bytes are those of the GTP-U message.
  package var sentN3: Traffic
  /// User packets sent through N6.
  package var sentN6: Traffic
  /// Received packets by fate, with the bytes they had when they came.
  package var fates: [Traffic]
  /// Echo responses sent.
  package var echoResponsesSent: UInt64
  /// Error indications sent for unknown tunnels.
  package var errorIndicationsSent: UInt64
  /// Error indications not sent, to limit their rate.
  package var errorIndicationsSuppressed: UInt64
  /// Supported extension headers notifications sent.
  package var headerNoticesSent: UInt64
  /// Supported extension headers notifications not sent, to limit their rate.
  package var headerNoticesSuppressed: UInt64
  /// Replies that the kernel did not take.
  package var repliesFailed: UInt64
  /// Batches that went through the modules.
  package var batches: UInt64
  /// Bucket updates of a module that named no bucket.
  package var invalidUpdates: UInt64
  /// Packets by the mark of the qer module: (minor << 8) | patch.
  package var marks: [UInt16: UInt64]
  /// Packets whose mark came after the table of marks was full.
  package var otherMarks: UInt64
  /// Packets and batches by slot and build.
  package var builds: [BuildStatistics]
  /// Batches by time in nanoseconds, in the buckets of `LatencyHistogram`.
  package var latency: [UInt64]

  init(_ values: [UInt64]) {
    func traffic(_ index: Int) -> Traffic {
      Traffic(packets: values[index], bytes: values[index + 1])
    }
    receivedN3 = traffic(CounterIndex.receivedN3)
    receivedN6 = traffic(CounterIndex.receivedN6)
    takenOver = traffic(CounterIndex.takenOver)
    sentN3 = traffic(CounterIndex.sentN3)
    sentN6 = traffic(CounterIndex.sentN6)
    fates = (0..<PacketFate.limit).map { traffic(CounterIndex.fates + 2 * $0) }
    echoResponsesSent = values[CounterIndex.echoResponsesSent]
    errorIndicationsSent = values[CounterIndex.errorIndicationsSent]
    errorIndicationsSuppressed = values[CounterIndex.errorIndicationsSuppressed]
    headerNoticesSent = values[CounterIndex.headerNoticesSent]
    headerNoticesSuppressed = values[CounterIndex.headerNoticesSuppressed]
    repliesFailed = values[CounterIndex.repliesFailed]
    batches = values[CounterIndex.batches]
    invalidUpdates = values[CounterIndex.invalidUpdates]
    marks = [:]
    otherMarks = 0
    builds = []
    latency = Array(values[CounterIndex.latency..<CounterIndex.count])
    readMarks(values)
  }

  private mutating func readMarks(_ values: [UInt64]) {
    for entry in 0..<CounterIndex.markLimit {
      let key = values[CounterIndex.marks + 2 * entry]
      let packets = values[CounterIndex.marks + 2 * entry + 1]
      guard packets > 0 else { continue }
      if entry == CounterIndex.markLimit - 1 {
        otherMarks = packets
      } else {
        marks[UInt16(truncatingIfNeeded: key &- 1)] = packets
      }
    }
  }
}

extension WorkerStatistics {
  /// The received packets that ended in `fate`.
  package subscript(fate: PacketFate) -> Traffic {
    Int(fate.rawValue) < fates.count ? fates[Int(fate.rawValue)] : Traffic()
  }

  /// The received packets that ended in one kind of fate.
  package func total(_ kind: PacketFate.Kind) -> Traffic {
    PacketFate.table.filter { $0.kind == kind }.reduce(Traffic()) { $0 + self[$1.fate] }
  }

  /// Adds what another worker did.
  package mutating func add(_ other: WorkerStatistics) {
    receivedN3 += other.receivedN3
    receivedN6 += other.receivedN6
    takenOver += other.takenOver
    sentN3 += other.sentN3
    sentN6 += other.sentN6
    for index in fates.indices { fates[index] += other.fates[index] }
    echoResponsesSent &+= other.echoResponsesSent
    errorIndicationsSent &+= other.errorIndicationsSent
    errorIndicationsSuppressed &+= other.errorIndicationsSuppressed
    headerNoticesSent &+= other.headerNoticesSent
    headerNoticesSuppressed &+= other.headerNoticesSuppressed
    repliesFailed &+= other.repliesFailed
    batches &+= other.batches
    invalidUpdates &+= other.invalidUpdates
    marks.merge(other.marks, uniquingKeysWith: &+)
    otherMarks &+= other.otherMarks
    for index in latency.indices { latency[index] &+= other.latency[index] }
    for build in other.builds { add(build) }
  }

  private mutating func add(_ build: BuildStatistics) {
    if let index = builds.firstIndex(where: {
      $0.slot == build.slot && $0.ordinal == build.ordinal
    }) {
      builds[index].packets &+= build.packets
      builds[index].batches &+= build.batches
    } else {
      builds.append(build)
    }
  }
}
