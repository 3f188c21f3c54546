import Bytes
import PatchFormat
import Testing

@Suite("Manifest")
struct ManifestTests {
  @Test func `a manifest with every field comes back from its encoding`() throws {
    let bytes = Samples.manifest.encoded
    let again = try Manifest(parsing: bytes)
    #expect(again == Samples.manifest)
    #expect(again.encoded == bytes)
    #expect(try Samples.fields().keys.sorted() == [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    #expect(try Samples.componentFields().keys.sorted() == Array(1...9))
  }

  @Test func `the smallest manifest comes back, and spells no default`() throws {
    let least = Manifest(
      product: "a", release: "1", sequence: 0, components: [Samples.component])
    let bytes = least.encoded
    #expect(try Manifest(parsing: bytes) == least)
    #expect(try CBOR(parsing: bytes).mapValue?.count == 5)
  }

  @Test func `every proper prefix and every longer manifest is refused`() {
    let bytes = Samples.manifest.encoded
    for count in 0..<bytes.count { #expect(fault(Array(bytes.prefix(count))) != nil) }
    #expect(fault(bytes + [0]) == .trailing)
    #expect(fault(bytes + bytes) == .trailing)
  }

  /// No single-byte change is a second spelling of the same manifest, and none traps.
  @Test func `every single-byte change is refused or is another manifest`() throws {
    let bytes = Samples.manifest.encoded
    for index in bytes.indices {
      for flip in [1, 0x20, 0x80, 0xff] as [UInt8] {
        var changed = bytes
        changed[index] ^= flip
        guard let manifest = try? Manifest(parsing: changed) else { continue }
        #expect(manifest != Samples.manifest)
        #expect(manifest.encoded == changed)
      }
    }
  }

  @Test func `the worst class of the components is the class of the patch`() {
    var manifest = Samples.manifest
    #expect(manifest.upgradeClass == .hot)
    var second = Samples.component
    second = Component(
      module: "far", interface: second.interface, upgradeClass: .restart, machine: second.machine,
      base: second.base, target: second.target, delta: second.delta, states: [])
    manifest.components.append(second)
    #expect(manifest.upgradeClass == .restart)
    #expect(UpgradeClass.allCases.sorted() == UpgradeClass.allCases)
  }

  @Test(arguments: [1, 5, 6, 7, 10] as [UInt64])
  func `a manifest without a required field is refused`(key: UInt64) throws {
    #expect(fault(try Samples.manifest(replacing: key, with: nil)) == .illegal)
  }

  @Test(arguments: Array(1...8) as [UInt64])
  func `a component without a required field is refused`(key: UInt64) throws {
    #expect(fault(try Samples.manifest(replacingInComponent: key, with: nil)) == .illegal)
  }

  @Test(arguments: Array(1...13) as [UInt64])
  func `a field of another type is refused`(key: UInt64) throws {
    for item in [CBOR.null, .bool(true), .integer(-1), .map([:]), .tagged(1, .unsigned(1))] {
      #expect(fault(try Samples.manifest(replacing: key, with: item)) != nil)
    }
  }

  @Test(arguments: Array(1...9) as [UInt64])
  func `a field of a component of another type is refused`(key: UInt64) throws {
    for item in [CBOR.null, .bool(true), .integer(-1), .map([:]), .array([]), .text("")] {
      #expect(fault(try Samples.manifest(replacingInComponent: key, with: item)) != nil)
    }
  }

  @Test func `something else than a map, or a map with other keys, is refused`() throws {
    #expect(fault(CBOR.array([]).encoded) == .illegal)
    #expect(fault(CBOR.map([:]).encoded) == .illegal)
    #expect(fault(CBOR.map([.text("format"): .unsigned(1)]).encoded) == .illegal)
    #expect(fault([]) == .truncated)
    #expect(try fault(Samples.manifest(replacing: 10, with: .array([.null]))) == .illegal)
  }

  @Test func `an error names the place of the entry that is at fault`() throws {
    let whole = Samples.manifest.encoded
    for (key, item) in [(5, .text("../x")), (6, .text("")), (7, .text("")), (13, .bytes([]))]
      as [(UInt64, CBOR)]
    {
      let bytes = try Samples.manifest(replacing: key, with: item)
      let error = try #require(throws: FormatError.self) { try Manifest(parsing: bytes) }
      #expect(bytes[error.offset] == UInt8(key))
      #expect(bytes[..<error.offset] == whole[..<error.offset])
      #expect(error.offset > 0)
    }
    for (key, item) in [(2, .text("../x")), (3, .array([])), (8, .array([]))] as [(UInt64, CBOR)] {
      let bytes = try Samples.manifest(replacingInComponent: key, with: item)
      let error = try #require(throws: FormatError.self) { try Manifest(parsing: bytes) }
      #expect(Array(bytes[error.offset...]).starts(with: [UInt8(key)] + item.encoded))
    }
    // The second of two components with the same name.
    let component = Samples.map(try Samples.componentFields())
    let twice = try Samples.manifest(replacing: 10, with: .array([component, component]))
    let error = try #require(throws: FormatError.self) { try Manifest(parsing: twice) }
    #expect(Array(twice[error.offset...]).starts(with: component.encoded))
    #expect(Array(twice[..<error.offset].suffix(component.encoded.count)) == component.encoded)
  }

  @Test func `a default that is spelled out is refused`() throws {
    #expect(try fault(Samples.manifest(replacing: 2, with: .unsigned(1))) == .notCanonical)
    #expect(try fault(Samples.manifest(replacing: 3, with: .unsigned(0))) == .notCanonical)
    #expect(try fault(Samples.manifest(replacing: 4, with: .unsigned(0))) == .notCanonical)
    #expect(try fault(Samples.manifest(replacing: 11, with: .array([]))) == .notCanonical)
    #expect(try fault(Samples.manifest(replacing: 12, with: .array([]))) == .notCanonical)
    #expect(
      try fault(Samples.manifest(replacingInComponent: 9, with: .array([]))) == .notCanonical)
  }
}

/// What a later version may bring, and what a reader of version 1 makes of it.
@Suite("Manifest of the future")
struct FutureManifestTests {
  @Test(arguments: [0, 2, UInt64.max])
  func `another manifest format is unsupported`(format: UInt64) throws {
    #expect(fault(try Samples.manifest(replacing: 1, with: .unsigned(format))) == .unsupported)
  }

  @Test(arguments: [1, 1 << 63, UInt64.max])
  func `an unknown critical feature is unsupported`(bits: UInt64) throws {
    #expect(fault(try Samples.manifest(replacing: 3, with: .unsigned(bits))) == .unsupported)
  }

  @Test(arguments: [1, 1 << 63, UInt64.max])
  func `an unknown feature that may be ignored is ignored`(bits: UInt64) throws {
    let manifest = try Manifest(parsing: Samples.manifest(replacing: 4, with: .unsigned(bits)))
    #expect(manifest.features == bits)
  }

  @Test func `a patch for later agents is unsupported, for none illegal`() throws {
    #expect(try fault(Samples.manifest(replacing: 2, with: .unsigned(2))) == .unsupported)
    #expect(try fault(Samples.manifest(replacing: 2, with: .unsigned(0))) == .illegal)
  }

  @Test func `an unknown key is unsupported below 64 and ignored from there on`() throws {
    #expect(try fault(Samples.manifest(replacing: 0, with: .unsigned(1))) == .unsupported)
    #expect(try fault(Samples.manifest(replacing: 14, with: .unsigned(1))) == .unsupported)
    #expect(try fault(Samples.manifest(replacing: 63, with: .unsigned(1))) == .unsupported)
    #expect(try fault(Samples.manifest(replacing: 64, with: .map([:]))) == nil)
    #expect(try fault(Samples.manifest(replacing: UInt64.max, with: .null)) == nil)
  }

  @Test func `an unknown key or kind of a component is unsupported`() throws {
    #expect(
      try fault(Samples.manifest(replacingInComponent: 10, with: .unsigned(1))) == .unsupported)
    #expect(
      try fault(Samples.manifest(replacingInComponent: 64, with: .unsigned(1))) == .unsupported)
    for kind in [0, 2, 3] as [UInt64] {
      #expect(
        try fault(Samples.manifest(replacingInComponent: 1, with: .unsigned(kind)))
          == .unsupported)
    }
  }

  @Test func `an unknown upgrade class is unsupported, 'policy' is none for a module`() throws {
    for number in [0, 5] as [UInt64] {
      #expect(
        try fault(Samples.manifest(replacingInComponent: 4, with: .unsigned(number)))
          == .unsupported)
    }
    #expect(try fault(Samples.manifest(replacingInComponent: 4, with: .unsigned(1))) == .illegal)
  }

  @Test func `a codec beyond one byte is unsupported`() throws {
    #expect(
      try fault(Samples.manifest(replacingInComponent: 8, with: Samples.delta(codec: 256)))
        == .unsupported)
    #expect(
      try fault(Samples.manifest(replacingInComponent: 8, with: Samples.delta(codec: 255))) == nil)
  }
}
