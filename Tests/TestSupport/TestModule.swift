internal import Foundation

/// A small module in C with the knobs that tests turn, built by the recipe of `hitless-module.pc`.
package struct TestModule: Sendable {
  /// What the facts say.
  package var name = "sample"
  package var version: (UInt32, UInt32, UInt32) = (1, 0, 0)
  package var interface: (id: UInt32, version: UInt32) = (7, 1)
  package var states: [(id: UInt32, size: UInt32)] = [(0x51, 64)]
  /// A constant inside the function that is marked `HITLESS_PATCHABLE`.
  package var markedConstant = 1
  /// A constant inside a function that is not marked.
  package var unmarkedConstant = 1
  /// How often the marked function goes round a loop that does nothing, to take time.
  package var loops = 0
  /// An argument at which the marked function does not answer but ends in a trap.
  package var trapsAt: Int?
  /// More members of the function table.
  package var tableExtra = ""
  /// Bodies of the hooks, in C; nil leaves a hook out.
  ///
  /// They see `services`, and `control` or `vectors`.
  package var attach: String?
  package var selftest: String?
  /// Body of the hook that moves a record `from` one schema `to` another, in C; nil leaves it out.
  package var migrate: String?
  /// More C at the end of the file.
  package var extra = ""
  /// More options for the compiler.
  package var options: [String] = []
  /// How many more functions to add, for a module of some size.
  package var bulk = 0

  /// The module with every knob at rest.
  package init() {}

  /// Builds the module as the file `file` of `directory` and returns its path.
  @discardableResult
  package func build(_ file: String, in directory: TemporaryDirectory) throws -> String {
    let source = try directory.write("\(file).c", Array(text.utf8))
    defer { try? FileManager.default.removeItem(atPath: source) }
    let output = directory.path(file)
    let built = try run(
      "/usr/bin/gcc",
      [
        "-std=c11", "-O2", "-fPIC", "-fvisibility=hidden",
        "-I\(Self.root)/Sources/Ground/CHitless/include",
        "-shared", "-nostartfiles", "-Wl,--as-needed", "-Wl,-z,now,-z,relro,-z,noexecstack",
        "-Wl,--build-id=sha1", "-Wl,--version-script=\(Self.root)/Sources/Modules/module.map",
      ] + options + ["-o", output, source])
    guard built.status == 0 else { throw BuildFailure(description: built.errors) }
    return output
  }

  /// The root of the source tree.
  package static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// What the compiler said.
  package struct BuildFailure: Error, CustomStringConvertible {
    package let description: String
  }

  private var text: String {
    let schemas = states.map { "{\($0.id)u, \($0.size)u}" }.joined(separator: ", ")
    let more = (0..<bulk).map {
      "int more\($0)(int x) { return (x ^ \($0 &* 2_654_435_761 & 0xffff)) * \($0 + 3); }"
    }.joined(separator: "\n")
    let calls = (0..<bulk).map { "x += more\($0)(x);" }.joined(separator: " ")
    let hooks =
      (attach == nil ? "" : ", .attach = attach")
      + (migrate == nil ? "" : ", .migrate = migrate")
      + (selftest == nil ? "" : ", .selftest = selftest")
    return """
      #include "hitless/module.h"
      #define FACTS { \\
        .abi_version = HITLESS_ABI_VERSION, \\
        .interface_id = \(interface.id), .interface_version = \(interface.version), \\
        .version_major = \(version.0), .version_minor = \(version.1), .version_patch = \(version.2), \\
        .table_size = sizeof(struct table), .state_count = \(states.count), \\
        .states = {\(schemas)}, .name = "\(name)" }
      struct table { int (*answer)(int); int (*other)(int); \(tableExtra) };
      \(more)
      HITLESS_PATCHABLE static int answer(int x) { \(trap) \(loop) return x * 3 + \(markedConstant); }
      __attribute__((noinline)) static int other(int x) { \(calls) return x * 5 + \(unmarkedConstant); }
      static const struct table table = {answer, other};
      HITLESS_NOTE static const struct hitless_module_note note = {
        .name_size = sizeof note.owner, .facts_size = sizeof note.facts,
        .type = HITLESS_NOTE_TYPE, .owner = "Hitless", .facts = FACTS };
      \(hookFunctions)
      HITLESS_EXPORT const struct hitless_module hitless_module = {
        .size = sizeof hitless_module, .abi_version = HITLESS_ABI_VERSION, .facts = FACTS,
        .table = &table\(hooks) };
      \(extra)
      """
  }

  private var trap: String { trapsAt.map { "if (x == \($0)) __builtin_trap();" } ?? "" }

  private var loop: String {
    loops > 0 ? "for (volatile int left = \(loops); left > 0; left--) {}" : ""
  }

  private var hookFunctions: String {
    let services = "const struct hitless_host_services *services"
    var text = ""
    if let attach {
      text += "static int32_t attach(\(services), void *control, void **private_data) {"
      text += " (void)services; (void)control; (void)private_data; \(attach) }\n"
    }
    if let migrate {
      text += "static int32_t migrate(const void *old, uint32_t from, void *new, uint32_t to) {"
      text += " (void)old; (void)from; (void)new; (void)to; \(migrate) }\n"
    }
    if let selftest {
      text +=
        "static int32_t selftest(\(services), const struct hitless_selftest_vectors *vectors) {"
      text += " (void)services; (void)vectors; \(selftest) }\n"
    }
    return text
  }
}
