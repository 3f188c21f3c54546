internal import CHitless
internal import Glibc

/// One output of one packet in which two runs of the same batch differ.
package struct ShadowDifference: Equatable, Sendable {
  /// Bytes of each of the three that are kept.
  package static let byteLimit = 256
  /// The name of the output that is what the host's own `run` has returned.
  package static let status = "status"

  /// What the host calls the output.
  package let name: String
  /// Index of the slot that has put it out; nil for the host's own work.
  package let slot: UInt32?
  /// Place of the packet in the batch; nil for the whole batch.
  package let packet: UInt32?
  /// The packet as it came; empty when the host does not show it.
  package let input: [UInt8]
  /// What stable has put out; nil: nothing.
  package let stable: [UInt8]?
  /// What the candidate has put out; nil: nothing.
  package let candidate: [UInt8]?
  /// The first byte in which they differ.
  package let offset: Int
}

extension ShadowDifference {
  /// Compares what two runs have put out.
  ///
  /// - Complexity: O(bytes) when they are the same, and another pass when they are not.
  static func between(
    _ old: UnsafeBufferPointer<hitless_shadow_output>,
    _ new: UnsafeBufferPointer<hitless_shadow_output>, statuses: (Int32, Int32)
  ) -> [ShadowDifference] {
    let isSame = unsafe old.count == new.count && zip(old, new).allSatisfy { unsafe same($0, $1) }
    guard !isSame || statuses.0 != statuses.1 else { return [] }
    var differences: [ShadowDifference] = []
    if statuses.0 != statuses.1 {
      differences.append(difference(of: statuses))
    }
    guard !isSame else { return differences }
    let (before, after) = (unsafe OutputList(old), unsafe OutputList(new))
    let added = unsafe after.order.filter { unsafe before.outputs[$0] == nil }
    for key in unsafe before.order + added {
      let (one, other) = unsafe (before.outputs[key], after.outputs[key])
      if let one = unsafe one, let other = unsafe other, unsafe equal(one, other) { continue }
      unsafe differences.append(ShadowDifference(key, one, other, before.inputs[key.packet]))
    }
    return differences
  }

  private static func difference(of statuses: (Int32, Int32)) -> ShadowDifference {
    func bytes(_ status: Int32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: status >> Int32(8 * $0)) }
    }
    return ShadowDifference(
      name: status, slot: nil, packet: nil, input: [], stable: bytes(statuses.0),
      candidate: bytes(statuses.1), offset: 0)
  }

  private init(
    _ key: OutputKey, _ old: hitless_shadow_output?, _ new: hitless_shadow_output?,
    _ input: hitless_shadow_output?
  ) {
    name = key.name
    slot = key.slot == .max ? nil : key.slot
    packet = key.packet == .max ? nil : key.packet
    self.input = unsafe input.map { unsafe Self.bytes(of: $0, from: 0) } ?? []
    let first = unsafe Self.firstDifference(old, new)
    // What is kept begins where it can be seen that they differ.
    let start = first < Self.byteLimit ? 0 : first - Self.byteLimit / 2
    stable = unsafe old.map { unsafe Self.bytes(of: $0, from: start) }
    candidate = unsafe new.map { unsafe Self.bytes(of: $0, from: start) }
    offset = first
  }

  /// Whether two outputs are the same one, with the same bytes; inputs are not compared.
  private static func same(_ old: hitless_shadow_output, _ new: hitless_shadow_output) -> Bool {
    guard unsafe old.slot == new.slot && old.packet == new.packet && old.role == new.role else {
      return false
    }
    let isSameName = unsafe old.name == new.name || outputName(old) == outputName(new)
    return unsafe isSameName && (old.role == UInt32(HITLESS_SHADOW_INPUT) || equal(old, new))
  }

  private static func equal(_ old: hitless_shadow_output, _ new: hitless_shadow_output) -> Bool {
    guard unsafe old.size == new.size else { return false }
    guard let one = unsafe old.bytes, let other = unsafe new.bytes, unsafe old.size > 0 else {
      return unsafe old.size == 0 || (old.bytes == nil) == (new.bytes == nil)
    }
    // SAFETY: the host promises `size` bytes behind each, until it is told that the run is over.
    return unsafe memcmp(one, other, Int(old.size)) == 0
  }

  private static func firstDifference(
    _ old: hitless_shadow_output?, _ new: hitless_shadow_output?
  ) -> Int {
    guard let one = unsafe old?.bytes, let other = unsafe new?.bytes, let old = unsafe old,
      let new = unsafe new
    else { return 0 }
    let count = unsafe Int(min(old.size, new.size))
    let (left, right) = unsafe (
      UnsafeRawBufferPointer(start: one, count: count),
      UnsafeRawBufferPointer(start: other, count: count)
    )
    return unsafe zip(left, right).enumerated().first { $0.element.0 != $0.element.1 }?.offset
      ?? count
  }

  private static func bytes(of output: hitless_shadow_output, from start: Int) -> [UInt8] {
    guard let bytes = unsafe output.bytes, unsafe Int(output.size) > start else { return [] }
    let count = unsafe min(Int(output.size) - start, byteLimit)
    // SAFETY: as above.
    return unsafe Array(UnsafeRawBufferPointer(start: bytes + start, count: count))
  }
}

/// Which output of which packet, and the how manieth where there are several.
private struct OutputKey: Hashable {
  let name: String
  let slot: UInt32
  let packet: UInt32
  var occurrence = 0
}

/// The outputs of one run by what they are.
@unsafe
private struct OutputList {
  var order: [OutputKey] = []
  var outputs: [OutputKey: hitless_shadow_output] = unsafe [:]
  /// By packet.
  var inputs: [UInt32: hitless_shadow_output] = unsafe [:]

  init(_ list: UnsafeBufferPointer<hitless_shadow_output>) {
    for index in 0..<list.count {
      let output = unsafe list[index]
      guard unsafe output.role != UInt32(HITLESS_SHADOW_INPUT) else {
        unsafe inputs[output.packet] = output
        continue
      }
      var key = unsafe OutputKey(
        name: outputName(output), slot: output.slot, packet: output.packet)
      while unsafe outputs[key] != nil { key.occurrence += 1 }
      unsafe order.append(key)
      unsafe outputs[key] = output
    }
  }
}

/// What the host calls an output, as far as names go.
private func outputName(_ output: hitless_shadow_output) -> String {
  guard let name = unsafe output.name else { return "unnamed" }
  let limit = Int(HITLESS_SHADOW_NAME_SIZE) - 1
  // SAFETY: the host promises a NUL-terminated string; no byte past the limit is read.
  let count = unsafe strnlen(name, limit)
  let bytes = unsafe UnsafeRawBufferPointer(start: name, count: count)
  return unsafe String(decoding: bytes, as: UTF8.self)
}
