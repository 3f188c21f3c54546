internal import AgentControl
internal import Bytes

extension AgentReport {
  /// How far records are on their way between two layouts, when they are.
  static func migration(_ answer: [String: CBOR]) -> String? {
    guard let migration = answer["migration"]?.namedValue else { return nil }
    let total = text(migration["records"])
    let way =
      switch migration["phase"] {
      case .text("back"): "\(text(migration["back"])) of \(text(migration["forward"])) are back"
      default: "\(text(migration["forward"])) of \(total) have gone over"
      }
    let kept = migration["kept"]?.unsignedValue ?? 0
    return "migration: records of transaction \(text(migration["transaction"])): \(way)"
      + (kept > 0 ? ", \(kept) as they were before" : "")
  }
}
