internal import CHitless
internal import CUPF
internal import Refusal

/// What runs copies of batches needs of the host, for the thread of the agent that does it.
///
/// The rule tables are those in force, which it reads under the same protocol as a worker; a copy that was made
/// with others is of no use. Buckets are a private set, which holds what was in the worker's when it made the copy.
///
/// Threading: copies are filled by workers; everything else belongs to one thread of the agent.
@safe
final class ShadowPlane: @unchecked Sendable {
  private let publisher: TablePublisher
  private let reader: Int
  private let bucketMemory: ZeroedMemory
  private let pipelineMemory: ZeroedMemory
  private let pipeline: UnsafeMutablePointer<ShadowPipeline>
  private var users = 0

  init(_ options: UserPlaneOptions, _ publisher: TablePublisher, reader: Int) throws(Refusal) {
    self.publisher = publisher
    self.reader = reader
    bucketMemory = try unsafe ZeroedMemory(
      count: 2 * options.limits.qers, stride: RecordRoom.largestBucket)
    pipelineMemory = unsafe try ZeroedMemory(
      count: 1, stride: MemoryLayout<ShadowPipeline>.stride)
    unsafe pipeline = pipelineMemory.base.assumingMemoryBound(to: ShadowPipeline.self)
    unsafe pipeline.initialize(
      to: ShadowPipeline(
        classifySlot: options.classifySlot, qerSlot: options.qerSlot,
        buckets: bucketMemory.base, plane: Unmanaged.passUnretained(self)))
  }

  /// Enters the tables in force; false when the copy was made with others.
  fileprivate func begin(_ copy: ShadowCopy) -> Bool {
    if users == 0 { publisher.resume(reader) }
    users += 1
    let view = unsafe publisher.enter(reader)
    guard unsafe view.pointee.sequence == copy.head.pointee.sequence else {
      end()
      return false
    }
    unsafe pipeline.pointee.use(view)
    unsafe copy.link()
    return true
  }

  fileprivate func end() {
    users -= 1
    if users == 0 { publisher.idle(reader) }
  }

  /// What the agent is told; the plane must outlive the agent.
  func options() -> hitless_shadow_options {
    var options = unsafe hitless_shadow_options()
    unsafe options.size = UInt32(MemoryLayout<hitless_shadow_options>.size)
    unsafe options.output_limit = ShadowLayout.outputLimit
    unsafe options.context = UnsafeMutableRawPointer(pipeline)
    unsafe options.copy_size = UInt64(ShadowLayout.size)
    unsafe options.copy = { _, batch, copy in
      guard let batch = unsafe batch, let copy = unsafe copy else { return 0 }
      return unsafe ShadowCopy(base: copy)
        .fill(from: batch.assumingMemoryBound(to: PipelineBatch.self))
    }
    unsafe options.begin = { context, copy in
      guard let plane = unsafe shadowPipeline(context)?.pointee.plane, let copy = unsafe copy else {
        return 1
      }
      return unsafe plane.takeUnretainedValue().begin(ShadowCopy(base: copy)) ? 0 : 1
    }
    unsafe options.run = { context, view, copy in
      guard let pipeline = unsafe shadowPipeline(context), let view = unsafe view,
        let copy = unsafe copy
      else { return 3 }
      return unsafe pipeline.pointee.run(view, ShadowCopy(base: copy))
    }
    unsafe options.outputs = { _, copy, list in
      guard let copy = unsafe copy, let list = unsafe list else { return 0 }
      return unsafe ShadowCopy(base: copy).list(in: list)
    }
    unsafe options.end = { context, _ in
      unsafe shadowPipeline(context)?.pointee.plane.takeUnretainedValue().end()
    }
    return unsafe options
  }
}

/// The pipeline behind a context.
private func shadowPipeline(
  _ context: UnsafeMutableRawPointer?
) -> UnsafeMutablePointer<ShadowPipeline>? {
  // SAFETY: `options` names no other context, and the plane with the memory behind it outlives the agent.
  unsafe context?.assumingMemoryBound(to: ShadowPipeline.self)
}

/// Runs copies of batches as workers run batches, and applies nothing: no counter, bucket, session or packet.
///
/// A run may be left in the middle: nothing in here would have to be given back.
///
/// Threading: one thread's.
@unsafe
struct ShadowPipeline {
  let classifySlot: UInt32
  let qerSlot: UInt32
  let buckets: UnsafeMutableRawPointer
  let plane: Unmanaged<ShadowPlane>
  private var tables: UnsafePointer<RuleTablesView>?
  /// What qer sees of the tables: their rules, and private buckets.
  private var enforce = unsafe upf_qer_tables()

  init(
    classifySlot: UInt32, qerSlot: UInt32, buckets: UnsafeMutableRawPointer,
    plane: Unmanaged<ShadowPlane>
  ) {
    unsafe self.classifySlot = classifySlot
    unsafe self.qerSlot = qerSlot
    unsafe self.buckets = unsafe buckets
    unsafe self.plane = unsafe plane
  }

  /// Takes the tables that the next runs are made with.
  mutating func use(_ view: UnsafePointer<RuleTablesView>) {
    unsafe tables = view
    unsafe enforce = view.pointee.enforce.pointee
    unsafe enforce.buckets = UnsafePointer(buckets.assumingMemoryBound(to: upf_bucket.self))
  }

  /// The pipeline `classify → qer → urr → far` up to its commit point, and what that would do.
  mutating func run(_ view: UnsafePointer<hitless_view>, _ copy: ShadowCopy) -> Int32 {
    guard let tables = unsafe tables, let serving = unsafe view.pointee.serving,
      let classify = unsafe hitless_generation_table(serving, classifySlot),
      let qer = unsafe hitless_generation_table(serving, qerSlot)
    else { return 1 }
    unsafe prepare(copy)
    let first = unsafe classify.assumingMemoryBound(to: upf_classify_table.self)
    guard unsafe first.pointee.process?(tables.pointee.classify, copy.batch) != nil else {
      return 2
    }
    let count = unsafe Int(copy.head.pointee.count)
    unsafe copy.classified.update(from: copy.verdicts, count: count)
    unsafe steer(copy)
    let second = unsafe qer.assumingMemoryBound(to: upf_qer_table.self)
    guard unsafe second.pointee.process?(&enforce, copy.batch) != nil else { return 2 }
    for index in 0..<count { unsafe settle(index, copy, tables.pointee) }
    unsafe copy.head.pointee.slots = (classifySlot, qerSlot)
    return 0
  }

  /// Puts outputs and buckets to where a run starts.
  private func prepare(_ copy: ShadowCopy) {
    let nothing = upf_verdict(
      pdr: UPF_NONE, session: UPF_NONE, qer: UPF_NONE, urr: UPF_NONE, far: UPF_NONE,
      drop: UInt16(UPF_DROP_NONE), qer_mark: unmarked)
    for index in unsafe 0..<Int(copy.head.pointee.count) {
      unsafe copy.verdicts[index] = nothing
      unsafe copy.settlements[index] = ShadowCopy.Settlement()
    }
    let size = unsafe Int(copy.head.pointee.bucketSize)
    for index in unsafe 0..<Int(copy.head.pointee.bucketCount) {
      let value = unsafe copy.buckets + index * RecordRoom.updateStride + RecordRoom.updateHead
      unsafe (buckets + Int(copy.bucket(index)) * size).copyMemory(from: value, byteCount: size)
    }
  }

  /// As `PipelineBatch.steer`.
  private func steer(_ copy: ShadowCopy) {
    let head = unsafe copy.head.pointee
    guard head.workerCount > 1 else { return }
    for index in 0..<Int(head.count) {
      let session = unsafe copy.verdicts[index].session
      guard unsafe copy.verdicts[index].drop == 0, session != UPF_NONE else { continue }
      if session % head.workerCount != head.worker {
        unsafe copy.verdicts[index].drop = dropForHandover
      }
    }
  }

  /// What the commit would do with one packet, as far as that is made of what modules have put out.
  private func settle(_ index: Int, _ copy: ShadowCopy, _ tables: RuleTablesView) {
    let verdict = unsafe copy.verdicts[index]
    let packet = unsafe copy.packets[index]
    guard verdict.drop == 0, unsafe tables.agrees(with: verdict, packet.direction),
      unsafe verdict.far < tables.farCount
    else { return }
    let rule = unsafe tables.fars[Int(verdict.far)]
    guard rule.action != ForwardingRule.drop else { return }
    let settlement = unsafe copy.settlements + index
    unsafe settlement.pointee.action = rule.action
    if rule.action == ForwardingRule.toAccess {
      let isKnown = unsafe verdict.qer < enforce.qer_count
      let qfi = unsafe isKnown ? enforce.qers[Int(verdict.qer)].qfi : nil
      unsafe rule.storeHeader(
        at: UnsafeMutableRawPointer(settlement), length: Int(packet.length), qfi: qfi)
      unsafe settlement.pointee.hasHeader = true
    }
    guard verdict.urr != UPF_NONE else { return }
    unsafe settlement.pointee.usage = (UInt64(verdict.urr), UInt64(packet.length))
    unsafe settlement.pointee.hasUsage = true
  }
}
