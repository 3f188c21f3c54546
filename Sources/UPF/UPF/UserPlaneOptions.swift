package import CHitless
package import PacketIO
package import Refusal

/// Where workers say that they exist; the agent, or what stands for it in a test.
package protocol WorkerRegistry: Sendable {
  /// Registers the calling thread.
  func registerWorker(name: String) throws(Refusal) -> UnsafeMutablePointer<hitless_worker>
  /// Ends the calling thread's registration.
  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>)
}

/// What one worker works on.
package struct WorkerSeat: Sendable {
  /// Wakes the worker; rings that lead to it ring it.
  package let doorbell: Doorbell
  /// The side of the access nodes.
  package let n3: WorkerPort
  /// The side of the data network.
  package let n6: WorkerPort
  /// The processor to stay on; nil is any.
  package let processor: UInt32?

  /// Creates a seat.
  package init(doorbell: Doorbell, n3: WorkerPort, n6: WorkerPort, processor: UInt32? = nil) {
    self.doorbell = doorbell
    self.n3 = n3
    self.n6 = n6
    self.processor = processor
  }
}

/// How a user plane is set up.
package struct UserPlaneOptions: Sendable {
  /// One seat per worker.
  package var seats: [WorkerSeat]
  /// Address of N3: the default of F-TEIDs, and what error indications name.
  package var n3Address: IPv4Address
  /// The agent's numbers of the two slots.
  package var classifySlot: UInt32
  /// The agent's numbers of the two slots.
  package var qerSlot: UInt32
  /// Caps.
  package var limits = RuleLimits()
  /// Whether modules get copies of the packets that cannot be written to, at the price of two system
  /// calls per batch.
  package var packetsAreReadOnly = false
  /// What the agent is told of, for the comparison of a candidate with stable; the numbers are the agent's.
  package var signals = HealthSignals()
  /// Where the agent keeps token buckets; nil: they are the user plane's own, and of the first layout.
  package var bucketTable: BucketTable?
  /// Bytes of the ring from each worker to each other one.
  package var handoverByteCount = 1 << 20

  /// Most workers: a batch notes in one word whom it gave packets to.
  package static let largestWorkerCount = 64

  /// Creates options for these workers.
  package init(
    seats: [WorkerSeat], n3Address: IPv4Address, classifySlot: UInt32 = 0, qerSlot: UInt32 = 1
  ) {
    self.seats = seats
    self.n3Address = n3Address
    self.classifySlot = classifySlot
    self.qerSlot = qerSlot
  }
}

/// What one worker is made from.
struct WorkerConfiguration {
  let index: Int
  let workerCount: Int
  let n3: WorkerPort
  let n6: WorkerPort
  let n3Address: UInt32
  let doorbell: Doorbell
  let slots: (classify: UInt32, qer: UInt32)
  let packetsAreReadOnly: Bool
  let signals: HealthSignals
}
