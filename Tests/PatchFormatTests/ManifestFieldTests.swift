import Bytes
import PatchFormat
import Testing

@Suite("Names and labels")
struct PatchNameTests {
  @Test(arguments: ["qer", "0", "a.b_c-d", String(repeating: "a", count: 31), "x-"])
  func `a name of the allowed form is one`(name: String) throws {
    #expect(PatchName.isName(name))
    #expect(try fault(Samples.manifest(replacingInComponent: 2, with: .text(name))) == nil)
    #expect(try fault(Samples.manifest(replacing: 5, with: .text(name))) == nil)
  }

  /// Row 62 of the refusals: what must never become part of a path.
  @Test(arguments: [
    "", ".", "..", "../../etc/x", "/abs", "a/../b", "a\0b", "%2e%2e", "CON", "Qer", "qer.", "qer ",
    "-a", "_a", ".a", "a/b", "a\\b", "caf\u{e9}", "cafe\u{301}", "\u{fb01}", "a\n", "a:b",
    String(repeating: "a", count: 32), String(repeating: "a", count: 4096),
  ])
  func `any other name is refused as a name`(name: String) throws {
    #expect(!PatchName.isName(name))
    #expect(try fault(Samples.manifest(replacingInComponent: 2, with: .text(name))) == .badName)
    #expect(try fault(Samples.manifest(replacing: 5, with: .text(name))) == .badName)
  }

  @Test func `a refused name is shown without what a terminal would obey`() throws {
    let bytes = try Samples.manifest(
      replacingInComponent: 2, with: .text("\u{1b}[31m\u{202e}" + String(repeating: "x", count: 99))
    )
    let error = try #require(throws: FormatError.self) { try Manifest(parsing: bytes) }
    #expect(
      error.description.unicodeScalars.allSatisfy { $0 == "…" || (0x20...0x7e).contains($0.value) })
    #expect(error.description.count < 200)
  }

  @Test(arguments: ["1", "2026.4-r1", "!", "~", String(repeating: "r", count: 64)])
  func `a label of the allowed form is one`(label: String) throws {
    #expect(PatchName.isLabel(label))
    #expect(try fault(Samples.manifest(replacing: 6, with: .text(label))) == nil)
    #expect(try fault(Samples.manifest(replacing: 11, with: .array([.text(label)]))) == nil)
  }

  @Test(arguments: [
    "", " ", "a b", "a\n", "\u{7f}", "caf\u{e9}", String(repeating: "r", count: 65),
  ])
  func `any other label is refused`(label: String) throws {
    #expect(!PatchName.isLabel(label))
    #expect(try fault(Samples.manifest(replacing: 6, with: .text(label))) == .illegal)
    #expect(try fault(Samples.manifest(replacing: 11, with: .array([.text(label)]))) == .illegal)
  }
}

@Suite("Fields of the manifest")
struct ManifestFieldTests {
  @Test func `validity that ends before it begins is refused`() throws {
    var manifest = Samples.manifest
    manifest.notBefore = 10
    manifest.notAfter = 10
    #expect(fault(manifest.encoded) == nil)
    manifest.notAfter = 9
    #expect(fault(manifest.encoded) == .illegal)
  }

  @Test func `a module that occurs twice is refused`() throws {
    let component = Samples.map(try Samples.componentFields())
    let bytes = try Samples.manifest(replacing: 10, with: .array([component, component]))
    #expect(fault(bytes) == .illegal)
  }

  @Test func `a target that is the base is refused`() throws {
    let image = Samples.image()
    var fields = try Samples.componentFields()
    fields[6] = image
    fields[7] = image
    #expect(
      try fault(Samples.manifest(replacing: 10, with: .array([Samples.map(fields)]))) == .illegal)
  }

  @Test(arguments: [31, 33, 0]) func `a digest of another size is refused`(count: Int) throws {
    let digest = [UInt8](repeating: 1, count: count)
    for key in [6, 7] as [UInt64] {
      #expect(
        try fault(
          Samples.manifest(replacingInComponent: key, with: Samples.image(digest: digest)))
          == .illegal)
    }
    #expect(
      try fault(Samples.manifest(replacingInComponent: 8, with: Samples.delta(digest: digest)))
        == .illegal)
    #expect(try fault(Samples.manifest(replacing: 13, with: .bytes(digest))) == .illegal)
  }

  @Test func `an id that is resolved or needed twice is refused`() throws {
    #expect(
      try fault(Samples.manifest(replacing: 11, with: .array([.text("A"), .text("A")])))
        == .illegal)
    let id = CBOR.bytes(Samples.buildID)
    #expect(try fault(Samples.manifest(replacing: 12, with: .array([id, id]))) == .illegal)
  }

  @Test func `numbers beyond their width are refused`() throws {
    let wide = CBOR.unsigned(1 << 32)
    let pairs: [(UInt64, CBOR)] = [
      (3, .array([wide, .unsigned(1)])), (3, .array([.unsigned(1), wide])),
      (5, .array([.unsigned(1 << 16), .unsigned(0)])), (5, .array([.unsigned(62), wide])),
      (9, .array([.array([wide, .unsigned(1)])])), (9, .array([.array([.unsigned(1), wide])])),
      (9, .array([.array([.unsigned(1), .unsigned(1), wide])])),
    ]
    for (key, item) in pairs {
      #expect(try fault(Samples.manifest(replacingInComponent: key, with: item)) == .illegal)
    }
  }

  @Test func `lists of numbers of another length are refused`() throws {
    for key in [3, 5] as [UInt64] {
      for count in [0, 1, 3] {
        let item = CBOR.array(Array(repeating: .unsigned(1), count: count))
        #expect(try fault(Samples.manifest(replacingInComponent: key, with: item)) == .illegal)
      }
      let mixed = CBOR.array([.unsigned(1), .unsigned(1), .null])
      #expect(try fault(Samples.manifest(replacingInComponent: key, with: mixed)) == .illegal)
    }
  }

  @Test func `states must differ, and none migrates from itself`() throws {
    let one = CBOR.array([.unsigned(1), .unsigned(8)])
    for states in [
      [one, one], [.array([.unsigned(1), .unsigned(8), .unsigned(1)])], [.array([.unsigned(1)])],
    ] as [[CBOR]] {
      #expect(
        try fault(Samples.manifest(replacingInComponent: 9, with: .array(states))) == .illegal)
    }
  }
}
