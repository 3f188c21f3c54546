import ElfImage
import Foundation
import TestSupport
import Testing

/// A module that breaks one rule, or none, built with the flags that make it so.
struct LintFixture: Sendable, CustomTestStringConvertible {
  /// What is wrong with it.
  let testDescription: String
  /// The rules that it breaks, all of them.
  let rules: Set<LintRule>
  /// A word that the report must contain: the segment, the symbol, the tag.
  var mentions = ""
  /// C after the module's own.
  var extra = ""
  /// C++ of a second file.
  var cxx: String?
  /// Flags of the recipe that are left out, by a part of them.
  var without: [String] = []
  /// Flags that are added.
  var flags: [String] = []
  /// More symbols for the version script to let out.
  var exports = ""
  /// Macros that change the module's description.
  var macros: [String] = []

  init(_ description: String, breaks rules: Set<LintRule>) {
    testDescription = description
    self.rules = rules
  }

  /// Returns the fixture with its knobs turned.
  func with(_ change: (inout LintFixture) -> Void) -> LintFixture {
    var copy = self
    change(&copy)
    return copy
  }

  /// Builds it and returns the file.
  func build(
    compiler: String = "/usr/bin/gcc", linker: [String] = []
  ) throws -> [UInt8] {
    let directory = try TemporaryDirectory()
    let map = try directory.write(
      "module.map", Array("{ global: hitless_module; \(exports) local: *; };".utf8))
    var arguments =
      [
        "-O2", "-fPIC", "-fvisibility=hidden", "-shared", "-nostartfiles", "-Wl,--as-needed",
        "-Wl,-z,now", "-Wl,-z,relro", "-Wl,-z,noexecstack", "-Wl,--build-id=sha1",
        "-Wl,--version-script=\(map)", "-I\(TestModule.root)/Sources/Ground/CHitless/include",
      ]
      .filter { flag in !without.contains { flag.contains($0) } }
    arguments += macros.map { "-D\($0)" } + linker
    arguments += ["-o", directory.path("module.so")]
    arguments += ["-x", "c", try directory.write("module.c", Array((Self.source + extra).utf8))]
    if let cxx { arguments += ["-x", "c++", try directory.write("more.cc", Array(cxx.utf8))] }
    let built = try run(compiler, arguments + ["-x", "none"] + flags)
    try #require(built.status == 0, "\(built.errors)")
    return try directory.bytes("module.so")
  }

  private static let source = """
    #include "hitless/module.h"
    #ifndef NAME
    #define NAME "sample"
    #endif
    #ifndef NOTE_MINOR
    #define NOTE_MINOR 0
    #endif
    #ifndef ABI
    #define ABI HITLESS_ABI_VERSION
    #endif
    #ifndef STATES
    #define STATES 1
    #endif
    #ifndef SIZE
    #define SIZE sizeof(struct hitless_module)
    #endif
    struct table { int (*answer)(int); };
    HITLESS_PATCHABLE static int answer(int x) { return x * 3 + 1; }
    static const struct table table = {answer};
    #define FACTS(minor) { .abi_version = ABI, .interface_id = 7, .interface_version = 1, \\
      .version_major = 1, .version_minor = minor, .table_size = sizeof(struct table), \\
      .state_count = STATES, .states = {{0x51, 64}}, .name = NAME }
    #define NOTE { .name_size = 8, .facts_size = 96, .type = HITLESS_NOTE_TYPE, \\
      .owner = "Hitless", .facts = FACTS(NOTE_MINOR) }
    #ifndef NO_NOTE
    HITLESS_NOTE static const struct hitless_module_note note = NOTE;
    #endif
    #ifdef TWO_NOTES
    HITLESS_NOTE static const struct hitless_module_note second = NOTE;
    #endif
    #ifndef NO_DESCRIPTOR
    HITLESS_EXPORT const struct hitless_module hitless_module = {
      .size = SIZE, .abi_version = ABI, .facts = FACTS(0),
    #ifdef TABLE_OFFSET
      .table_offset = TABLE_OFFSET,
    #else
      .table = &table,
    #endif
    };
    #else
    HITLESS_EXPORT const struct table *hitless_module(void) { return &table; }
    #endif

    """
}
