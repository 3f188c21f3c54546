import Bytes
import Compatibility
import ElfImage
import Refusal
import TestSupport
import Testing

@Suite("Compatibility of two builds")
struct CompatibilityTests {
  let directory: TemporaryDirectory
  let base: ElfImage

  init() throws {
    directory = try TemporaryDirectory()
    base = try Self.image(TestModule(), in: directory)
  }

  @Test func `a change inside what is marked is hot and nothing else`() throws {
    let change = try change { $0.markedConstant = 2 }
    #expect(change.isHot)
    #expect(change.changesMarkedCode)
    #expect(change.unmarked.isEmpty)
  }

  /// The version is in the facts, in the note and in the descriptor, and in the build-id.
  @Test func `a new version alone changes no code and no constants`() throws {
    let change = try change { $0.version = (2, 3, 4) }
    #expect(change.isHot && !change.changesMarkedCode && change.unmarked.isEmpty)
    #expect(change.target.version == .init(2, 3, 4))
  }

  @Test func `a change outside what is marked is named with its section`() throws {
    let code = try change { $0.unmarkedConstant = 77 }
    #expect(code.isHot && !code.changesMarkedCode)
    #expect(code.unmarked.map(\.name) == [".text"])
    #expect(code.unmarked[0].baseSize > 0)
    let more = try change {
      $0.extra = "__attribute__((used)) static const char fresh[] = \"a new constant\";"
    }
    let rodata = try #require(more.unmarked.first { $0.name == ".rodata" })
    #expect(rodata.targetSize >= 15)
  }

  /// What a helper that is not marked does is not hidden by its being called from marked code.
  @Test func `a changed pointer in the table is a change`() throws {
    let change = try change {
      $0.extra = """
        static int third(int x) { return x - 9; }
        __attribute__((used)) static const struct table fresh = {third, third};
        """
    }
    #expect(change.unmarked.contains { $0.name == ".data.rel.ro" })
  }

  @Test func `another version of the interface needs a restart`() throws {
    let change = try change { $0.interface.version = 2 }
    #expect(change.obstacles == [.interfaceVersion(from: 1, to: 2)])
  }

  @Test func `other record layouts need a restart, in another order they are the same`() throws {
    let resized = try change { $0.states = [(0x51, 65)] }
    #expect(
      resized.obstacles == [
        .states(from: [.init(id: 0x51, size: 64)], to: [.init(id: 0x51, size: 65)])
      ])
    #expect(try change { $0.states = [] }.obstacles.count == 1)
    var two = TestModule()
    two.states = [(1, 8), (2, 16)]
    let old = try Self.image(two, in: directory)
    two.states = [(2, 16), (1, 8)]
    let new = try Self.image(two, in: directory)
    #expect(try Compatibility.compare(base: old, target: new).isHot)
  }

  @Test func `records beside all that there were need neither a hook nor a restart`() throws {
    let more = try change { $0.states = [(0x52, 8), (0x51, 64)] }
    #expect(more.isHot && more.migrations.isEmpty)
    #expect(more.additions == [.init(id: 0x52, size: 8)])
    // Beside others than there were.
    let other = try change { $0.states = [(0x51, 65), (0x52, 8)] }
    #expect(other.obstacles.count == 1 && other.additions.isEmpty)
  }

  @Test func `records get another schema when the target has the hook, and only then`() throws {
    let hook = "return 0;"
    let moved = try change {
      $0.states = [(0x52, 65)]; $0.migrate = hook
    }
    #expect(moved.isHotWithMigration && !moved.isHot && moved.obstacles.isEmpty)
    #expect(
      moved.migrations == [
        .init(from: .init(id: 0x51, size: 64), to: .init(id: 0x52, size: 65))
      ])
    // Without the hook; of another size under the same id; of another kind besides.
    #expect(try change { $0.states = [(0x52, 65)] }.obstacles.count == 1)
    #expect(
      try change {
        $0.states = [(0x51, 65)]; $0.migrate = hook
      }.obstacles.count == 1)
    #expect(
      try change {
        $0.states = [(0x52, 65), (0x53, 8)]
        $0.migrate = hook
      }.obstacles.count == 1)
    // The hook alone changes nothing.
    #expect(try change { $0.migrate = hook }.isHot)
    // What needs a restart anyway is not made better by it.
    let both = try change {
      $0.states = [(0x52, 65)]
      $0.migrate = hook
      $0.interface.version = 2
    }
    #expect(!both.isHotWithMigration && both.obstacles.count == 1)
  }

  @Test func `a function table of another size needs a restart`() throws {
    let facts = "int32_t more_entries;"
    let change = try change { $0.tableExtra = facts }
    guard case .tableSize(let old, let new) = change.obstacles.first else {
      Issue.record("expected a table size, got \(change.obstacles)")
      return
    }
    #expect(new > old)
  }

  @Test func `another module, slot or machine is no upgrade`() throws {
    #expect(try refusal { $0.name = "other" }.kind == .notForTarget)
    #expect(try refusal { $0.interface.id = 8 }.kind == .notForTarget)
    for (offset, value) in [(18, 183), (48, 1)] as [(Int, UInt8)] {
      var bytes = base.bytes
      bytes[offset] = value
      let other = try ElfImage(parsing: bytes)
      let error = try #require(throws: Refusal.self) {
        try Compatibility.compare(base: base, target: other)
      }
      #expect(error.kind == .notForTarget)
    }
  }

  @Test func `a library that says nothing about itself is no module`() throws {
    // The owner of the note is the only place where this text stands.
    var bytes = base.bytes
    let owner = Array("Hitless\0".utf8)
    let index = try #require(
      bytes.indices.first { bytes[$0...].starts(with: owner) })
    bytes[index] = UInt8(ascii: "h")
    let nameless = try ElfImage(parsing: bytes)
    for (old, new) in [(base, nameless), (nameless, base)] {
      let error = try #require(throws: Refusal.self) {
        try Compatibility.compare(base: old, target: new)
      }
      #expect(error.kind == .badELF)
    }
  }

  @Test func `without section headers the whole segment counts`() throws {
    let next = try Self.image(Self.changed { $0.markedConstant = 2 }, in: directory)
    let change = try Compatibility.compare(
      base: try withoutSections(base), target: try withoutSections(next))
    #expect(!change.changesMarkedCode)
    #expect(!change.unmarked.isEmpty)
  }

  // MARK: - Support

  private func withoutSections(_ image: ElfImage) throws -> ElfImage {
    var bytes = image.bytes
    // e_shoff; e_shnum and e_shstrndx.
    for index in Array(40..<48) + Array(60..<64) { bytes[index] = 0 }
    return try ElfImage(parsing: bytes)
  }

  private func change(_ edit: (inout TestModule) -> Void) throws -> ModuleChange {
    try Compatibility.compare(
      base: base, target: try Self.image(Self.changed(edit), in: directory))
  }

  private func refusal(_ edit: (inout TestModule) -> Void) throws -> Refusal {
    try #require(throws: Refusal.self) { try change(edit) }
  }

  private static func changed(_ edit: (inout TestModule) -> Void) -> TestModule {
    var module = TestModule()
    edit(&module)
    return module
  }

  private static func image(
    _ module: TestModule, in directory: TemporaryDirectory
  ) throws -> ElfImage {
    try module.build("module.so", in: directory)
    return try ElfImage(parsing: try directory.bytes("module.so"))
  }
}
