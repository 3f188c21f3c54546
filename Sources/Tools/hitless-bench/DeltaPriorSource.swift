internal import DeltaModel

/// The Swift source that holds a prior.
enum DeltaPriorSource {
  private static let columns = 96

  /// The files and what they hold.
  static func parts(_ prior: DeltaPrior) -> [(file: String, text: String)] {
    [
      ("DeltaPrior+FirstSlots.swift", "firstSlots", "adaptive bits", prior.encodedSlots),
      ("DeltaPrior+FirstWeights.swift", "firstWeights", "weights", prior.encodedWeights),
    ].map { file, name, what, bytes in (file, source(name, what, bytes)) }
  }

  private static func source(_ name: String, _ what: String, _ bytes: [UInt8]) -> String {
    let characters = Array(base64(bytes))
    let lines = stride(from: 0, to: characters.count, by: columns).map {
      "    " + String(characters[$0..<min($0 + columns, characters.count)]) + "\n"
    }
    return """
      // Made by tools/train-prior; part of the format (docs/format.md, "Delta codec 1: prior").

      extension DeltaPrior {
        /// The \(what) of the prior of codecs 1 and 2, \(bytes.count) bytes in base64.
        static let \(name) = \"\"\"
      \(lines.joined())    \"\"\"
      }

      """
  }

  private static let letters = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

  private static func base64(_ bytes: [UInt8]) -> String {
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for index in 0...group.count { text.append(letters[bits >> (18 - 6 * index) & 63]) }
    }
    return text
  }
}
