internal import CHitless
internal import CUPF

/// What the agent compares of a copy that was run.
extension ShadowCopy {
  /// Lists what a run has put out; returns how many entries that are.
  ///
  /// Not the mark of qer, which is another one in every version.
  func list(in outputs: UnsafeMutablePointer<hitless_shadow_output>) -> UInt32 {
    var list = unsafe ShadowOutputs(outputs)
    let slots = unsafe head.pointee.slots
    for index in unsafe 0..<Int(head.pointee.count) {
      let packet = unsafe packets[index]
      let bytes = unsafe UnsafeRawPointer(packet.bytes)
      let number = UInt32(truncatingIfNeeded: index)
      unsafe list.add(
        "packet", .max, number, bytes, UInt64(packet.length), UInt32(HITLESS_SHADOW_INPUT))
      unsafe list.add("bytes", .max, number, bytes, UInt64(packet.length))
      unsafe list.add(
        "verdict", slots.classify, number, classified + index, ShadowLayout.verdictSize)
      unsafe list.add("verdict", slots.qer, number, verdicts + index, ShadowLayout.verdictSize)
      let settlement = unsafe settlements + index
      if unsafe settlement.pointee.hasHeader {
        unsafe list.add("header", .max, number, settlement, UInt64(ForwardingRule.headerSize))
      }
      if unsafe settlement.pointee.hasUsage {
        unsafe list.add(
          "usage", .max, number,
          UnsafeRawPointer(settlement) + ForwardingRule.headerSize, 16)
      }
    }
    let count = unsafe min(batch.pointee.update_count, UPF_BATCH_MAX)
    let size = unsafe RecordRoom.updateHead + Int(head.pointee.bucketSize)
    for index in 0..<Int(count) {
      let update = unsafe UnsafeMutableRawPointer(updates) + index * size
      // Nobody writes it, or reads it.
      unsafe update.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
      unsafe list.add("bucket", slots.qer, .max, update, UInt64(size))
    }
    return unsafe list.count
  }
}

/// A list that is being filled.
@unsafe
private struct ShadowOutputs {
  private let outputs: UnsafeMutablePointer<hitless_shadow_output>
  var count: UInt32 = 0

  init(_ outputs: UnsafeMutablePointer<hitless_shadow_output>) {
    unsafe self.outputs = unsafe outputs
  }

  /// Adds an entry while there is room; literals end in a NUL.
  mutating func add(
    _ name: StaticString, _ slot: UInt32, _ packet: UInt32, _ bytes: UnsafeRawPointer?,
    _ size: UInt64, _ role: UInt32 = UInt32(HITLESS_SHADOW_OUTPUT)
  ) {
    guard unsafe count < ShadowLayout.outputLimit else { return }
    let text = unsafe UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    unsafe outputs[Int(count)] = unsafe hitless_shadow_output(
      name: text, slot: slot, packet: packet, role: role, reserved: 0, bytes: bytes, size: size)
    unsafe count += 1
  }
}
