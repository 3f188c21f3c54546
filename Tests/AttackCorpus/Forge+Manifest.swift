internal import Bytes
internal import Digests
internal import PatchFormat
internal import Refusal

/// Attacks by a broken or stolen signing tool: hostile content under a valid signature.
extension Forge {
  /// Rows 4, 10 to 13, and 62: the parser must be safe although the bytes are signed.
  package func manifestCases() throws -> [AttackCase] {
    let payload = manifest.encoded
    let deep = [UInt8](repeating: 0x81, count: 100_000) + [0]
    var cases = [
      AttackCase("an empty manifest", try file(payload: []), .format),
      AttackCase("a manifest with a byte behind it", try file(payload: payload + [0]), .format),
      AttackCase("a manifest in JSON", try file(payload: Array(#"{"format":1}"#.utf8)), .format),
      AttackCase(
        "a manifest behind a mark", try file(payload: [0xef, 0xbb, 0xbf] + payload), .format),
      AttackCase("nesting 100 000 deep", try file(payload: deep), .limit),
      AttackCase(
        "an unknown critical feature", try file(replacing: 3, with: .unsigned(1)), .unsupported),
      AttackCase("an unknown other feature", try file(replacing: 4, with: .unsigned(1)), nil),
      AttackCase(
        "a later manifest format", try file(replacing: 1, with: .unsigned(2)), .unsupported),
      AttackCase("a key of a later version", try file(replacing: 20, with: .null), .unsupported),
      AttackCase("a key that may be ignored", try file(replacing: 70, with: .null), nil),
      AttackCase("no components", try file(replacing: 10, with: .array([])), .format),
      AttackCase(
        "the same module twice",
        try file(
          replacing: 10,
          with: .array([Self.map(try componentFields), Self.map(try componentFields)])), .format),
      AttackCase(
        "257 components",
        try file(replacing: 10, with: .array(Array(repeating: .null, count: 257))), .limit),
      AttackCase(
        "65 537 items",
        try file(replacing: 70, with: .array(Array(repeating: .null, count: 65_537))), .limit),
      AttackCase(
        "a kind of component to come", try file(replacingInComponent: 1, with: .unsigned(2)),
        .unsupported),
      AttackCase("a sequence that is text", try file(replacing: 7, with: .text("7")), .format),
      AttackCase("a negative sequence", try file(replacing: 7, with: .integer(-1)), .format),
    ]
    cases += try spellingCases(payload)
    for name in [
      "../../etc/x", "/abs", "a/../b", ".", "", "a\0b", "%2e%2e", "CON", "qer.", "caf\u{e9}",
      String(repeating: "x", count: 4096),
    ] {
      cases.append(
        AttackCase(
          "module name '\(name.prefix(12))'", try file(replacingInComponent: 2, with: .text(name)),
          .path))
      cases.append(
        AttackCase(
          "product name '\(name.prefix(12))'", try file(replacing: 5, with: .text(name)), .path))
    }
    return cases
  }

  /// The same manifest, spelled in another way.
  private func spellingCases(_ payload: [UInt8]) throws -> [AttackCase] {
    // The map begins with its head, then key 1 with value 1.
    let head = payload[0]
    precondition(payload[1] == 1 && payload[2] == 1, "the manifest begins with its format")
    let rest = payload.dropFirst(3)
    return [
      AttackCase(
        "a key that occurs twice", try file(payload: [head + 1, 1, 1, 1, 1] + rest), .format),
      AttackCase("keys out of order", try file(payload: [head] + rest + [1, 1]), .format),
      AttackCase(
        "a number spelled long", try file(payload: [head, 1, 0x18, 1] + rest), .format),
      AttackCase(
        "a map of indefinite length", try file(payload: [0xbf, 1, 1] + rest + [0xff]), .format),
      AttackCase(
        "a map that declares more entries than there are bytes",
        try file(payload: [0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1] + rest),
        .format),
      AttackCase(
        "not a number", try file(payload: [head, 1, 0xf9, 0x7e, 0] + rest), .format),
    ]
  }

  /// Rows 5, 9, 14 to 17, and 23: numbers that should make a reader allocate, or loop.
  package func numberCases() throws -> [AttackCase] {
    let size = component.target.size
    let digest = CBOR.bytes(component.delta.digest.bytes)
    func delta(_ count: UInt64, memory: UInt64) -> CBOR {
      .array([
        .unsigned(UInt64(component.delta.codec)), .unsigned(count), digest, .unsigned(memory),
      ])
    }
    func image(_ size: UInt64) -> CBOR {
      .array([
        .bytes(component.target.digest.bytes), .unsigned(size), .bytes(component.target.buildID),
      ])
    }
    var cases: [AttackCase] = []
    for number in [1 << 31, 1 << 32, 1 << 63, UInt64.max] as [UInt64] {
      cases += [
        AttackCase(
          "a target of \(number) bytes", try file(replacingInComponent: 7, with: image(number)),
          .limit),
        AttackCase(
          "a delta of \(number) bytes",
          try file(replacingInComponent: 8, with: delta(number, memory: size)), .limit),
        AttackCase(
          "memory of \(number) bytes",
          try file(replacingInComponent: 8, with: delta(component.delta.size, memory: number)),
          .limit),
      ]
    }
    cases += [
      AttackCase("an unknown codec", try file(delta: [0xee, 1, 2, 3], memory: size), .unsupported),
      AttackCase("a codec beyond one byte", try file(delta: self.delta, codec: 256), .unsupported),
      AttackCase(
        "a delta that ends in its header", try file(delta: [self.delta[0]]), .format),
      AttackCase(
        "a delta that declares 1 GiB and has four bytes",
        try file(delta: [0, 0x80, 0x80, 0x80, 0x80, 0x04], targetSize: 1 << 30), .format),
      AttackCase(
        "a delta that declares more than the manifest",
        try file(delta: [0, 0x80, 0x80, 0x80, 0x80, 0x04], targetSize: size), .format),
      AttackCase(
        "a delta that yields another target", try file(delta: stored(target.map { $0 ^ 1 })),
        .integrity),
      AttackCase(
        "a stored target, cut", try file(delta: Array(stored(target).dropLast())), .format),
      AttackCase(
        "a stored target with a byte behind it", try file(delta: stored(target) + [0]), .format),
      AttackCase("a stored target", try file(delta: stored(target)), nil),
    ]
    return cases
  }

  /// A delta of codec 0: the number, the size in groups of seven bits, the target itself.
  func stored(_ target: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0]
    var rest = target.count
    while rest > 127 {
      bytes.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    return bytes + [UInt8(rest)] + target
  }
}
