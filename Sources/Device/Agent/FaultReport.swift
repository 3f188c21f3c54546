internal import AgentControl
internal import Bytes
internal import ElfImage
internal import Guard
internal import HotSwap
internal import PatchFormat
internal import Staging

/// An address in a module, as tools find it again in the module's file.
package struct FaultPlace: Equatable, Sendable {
  /// The module's name and version.
  package let module: String
  /// The module's build-id.
  package let buildID: [UInt8]
  /// The address as the file numbers it.
  package let offset: UInt64
  /// The function before it, and how far; nil when the file names none.
  package let symbol: String?
}

extension FaultPlace: CustomStringConvertible {
  /// "qer 1.0.1+0x1240 (enforce+0x20)".
  package var description: String {
    "\(module)+0x\(String(offset, radix: 16))" + (symbol.map { " (\($0))" } ?? "")
  }
}

/// One fault of a candidate, or of stable on a copy, with names instead of addresses.
package struct FaultReport: Sendable {
  /// What the worker has left.
  let fault: GuardFault
  /// Index of the worker of whose batch stable has run the copy; nil for a fault of a candidate.
  let stablesCopyOf: UInt32?
  /// Where the candidate was: the instruction, or, outside of its code, the call that led there.
  package let place: FaultPlace?
  /// What had called it, innermost first, as far as it is the candidate's.
  package let frames: [FaultPlace]

  /// Names the addresses of `fault` by the files of `modules`; blocks for reading those that are concerned.
  init(_ fault: GuardFault, modules: [StagedModule], stablesCopyOf worker: UInt32? = nil) {
    self.fault = fault
    stablesCopyOf = worker
    var names = SymbolNames(modules)
    let instruction = names.place(of: fault.instruction, isReturn: false)
    let frames = fault.frames.compactMap { names.place(of: $0, isReturn: true) }
    place = instruction ?? frames.first
    self.frames = instruction == nil ? Array(frames.dropFirst()) : frames
  }

  /// The signal's name, or "budget".
  package var cause: String { fault.reason.name }
  /// The worker's name.
  package var worker: String { fault.worker }
  /// From the beginning of the handler until the batch began again on stable, in nanoseconds.
  package var nanosecondsToStable: UInt64 { fault.nanosecondsToStable }
}

extension FaultReport: CustomStringConvertible {
  /// A sentence for the log.
  package var description: String {
    let place = place.map { "in \($0), build-id \($0.buildID.hex)" } ?? "at an unknown place"
    let callers =
      frames.isEmpty ? "" : ", called from " + frames.map { "\($0)" }.joined(separator: ", ")
    if let stablesCopyOf {
      return "stable itself, on a copy of a batch of worker \(stablesCopyOf): \(fault.reason) "
        + "\(place)\(callers); no packet has met it"
    }
    return "\(fault.reason) \(place)\(callers); worker '\(fault.worker)' was back on stable after "
      + "\(fault.nanosecondsToStable) ns"
  }
}

extension FaultReport {
  /// What the audit log keeps.
  var json: [(String, JSON)] {
    var fields: [(String, JSON)] = [
      ("module", place.map { .string($0.module) } ?? .null),
      ("build_id", place.map { .string($0.buildID.hex) } ?? .null),
      ("offset", place.map { .unsigned($0.offset) } ?? .null),
      ("symbol", place?.symbol.map { .string($0) } ?? .null), ("signal", .string(cause)),
      ("address", fault.reason.address.map { .unsigned($0) } ?? .null),
      ("instruction", .unsigned(fault.instruction)),
      ("frames", .array(frames.map { .string("\($0)") })), ("worker", .string(fault.worker)),
      ("thread", .unsigned(UInt64(fault.thread))), ("generation", .unsigned(fault.generation)),
    ]
    if let stablesCopyOf {
      fields.append(("side", .string("stable")))
      fields.append(("copy_of", .unsigned(UInt64(stablesCopyOf))))
    } else {
      fields.append(("to_stable_ns", .unsigned(fault.nanosecondsToStable)))
    }
    return fields
  }

  /// What the control socket carries.
  var cbor: CBOR {
    .named([
      "module": place.map { .text($0.module) } ?? .null,
      "build_id": place.map { .bytes($0.buildID) } ?? .null,
      "offset": place.map { .unsigned($0.offset) } ?? .null,
      "symbol": place?.symbol.map { .text($0) } ?? .null, "signal": .text(cause),
      "address": fault.reason.address.map { .unsigned($0) } ?? .null,
      "frames": .array(frames.map { .text("\($0)") }), "worker": .text(fault.worker),
      "generation": .unsigned(fault.generation),
      "to_stable_ns": stablesCopyOf == nil ? .unsigned(fault.nanosecondsToStable) : .null,
      "copy_of": stablesCopyOf.map { .unsigned(UInt64($0)) } ?? .null,
    ])
  }
}

/// Looks addresses up in the files of modules, each of which is read once, when it is needed.
private struct SymbolNames {
  private let modules: [StagedModule]
  private var functions: [Int: [ElfSymbol]] = [:]

  init(_ modules: [StagedModule]) { self.modules = modules }

  /// The place of an address; of a return address, the symbol is that of the call before it.
  mutating func place(of address: UInt64, isReturn: Bool) -> FaultPlace? {
    for (index, module) in modules.enumerated() {
      // Behind a call that never returns there may be no more code.
      let back: UInt64 = isReturn ? 1 : 0
      guard let offset = module.module.place(of: address &- back) else { continue }
      return FaultPlace(
        module: "\(module.facts.name) \(module.facts.version)", buildID: module.image.buildID,
        offset: offset &+ back, symbol: symbol(at: offset, in: index))
    }
    return nil
  }

  private mutating func symbol(at offset: UInt64, in index: Int) -> String? {
    let known = functions[index] ?? Self.functions(of: modules[index])
    functions[index] = known
    guard let last = known.last(where: { $0.value.rawValue <= offset }) else { return nil }
    return "\(last.name)+0x\(String(offset - last.value.rawValue, radix: 16))"
  }

  /// The functions of a module's file by address; a stripped one has none.
  private static func functions(of module: StagedModule) -> [ElfSymbol] {
    guard let bytes = try? module.bytes(), let image = try? ElfImage(parsing: bytes),
      let symbols = try? image.localSymbols()
    else { return [] }
    return symbols.filter { $0.kind == .function && $0.isDefined }.sorted {
      $0.value.rawValue < $1.value.rawValue
    }
  }
}
