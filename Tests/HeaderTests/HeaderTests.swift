import CHitless
import Foundation
import Refusal
import TestSupport
import Testing

@Suite("Public headers")
struct HeaderTests {
  private static let headers = [
    "hitless/module.h", "hitless/worker.h", "hitless/host.h", "hitless/health.h",
    "hitless/shadow.h", "hitless/status.h", "hitless/state.h", "upf/slots.h",
  ]
  /// Compilers with the language they are given the headers as; clang++ comes with clang.
  private static let compilers: [(program: String, options: [String], suffix: String)] = [
    ("/usr/bin/gcc", ["-std=c11"], "c"), ("/usr/bin/clang", ["-std=c11"], "c"),
    ("/usr/bin/g++", ["-std=c++17"], "cc"), ("/usr/bin/clang++", ["-std=c++17"], "cc"),
  ]

  private func compile(
    _ text: String, with compiler: (program: String, options: [String], suffix: String)
  ) throws -> ProgramRun {
    let directory = try TemporaryDirectory()
    let source = try directory.write("alone.\(compiler.suffix)", Array(text.utf8))
    return try run(
      compiler.program,
      compiler.options + [
        "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wundef", "-Wshadow", "-c", source,
        "-I\(TestModule.root)/Sources/Ground/CHitless/include",
        "-I\(TestModule.root)/Sources/UPF/CUPF/include", "-o", directory.path("alone.o"),
      ])
  }

  @Test(arguments: headers, 0..<4)
  func `each header compiles alone, as C11 and as C++17`(header: String, compiler: Int) throws {
    let text = "#include \"\(header)\"\n#include \"\(header)\"\nextern int used; int used = 1;\n"
    let built = try compile(text, with: Self.compilers[compiler])
    #expect(built.status == 0, "\(Self.compilers[compiler].program): \(built.errors)")
  }

  @Test(arguments: 0..<4)
  func `all headers compile together, and the inline calls with them`(compiler: Int) throws {
    let text =
      Self.headers.reversed().map { "#include \"\($0)\"\n" }.joined() + """
        int32_t pipeline(const struct hitless_view *view, void *batch);
        int32_t pipeline(const struct hitless_view *view, void *batch) {
          const struct upf_qer_table *table = (const struct upf_qer_table *)hitless_table(view, 0);
          table->process(0, (struct upf_batch *)batch);
          return upf_key_hash(5) == 7;
        }
        uint32_t measure(struct hitless_worker *worker, const struct hitless_view *view);
        uint32_t measure(struct hitless_worker *worker, const struct hitless_view *view) {
          uint32_t hashes[4] = {0, 1, 2, 3};
          uint16_t order[4];
          struct hitless_part parts[HITLESS_PARTS];
          uint32_t count = hitless_split(worker, view, hashes, 4, order, parts);
          uint64_t begin = hitless_slot_begin(worker);
          hitless_slot_end(worker, hitless_side(view, parts[0].generation), 0, begin);
          hitless_signal_add(worker, 1, HITLESS_SIGNAL_PACKETS, count);
          hitless_signal_value(worker, 1, 2, 17);
          return count;
        }
        const void *find(struct hitless_worker *worker, const struct hitless_view *view);
        const void *find(struct hitless_worker *worker, const struct hitless_view *view) {
          hitless_state_begin(worker);
          uint32_t place = hitless_state_use(worker, view, 0, 7, 1);
          const void *table = hitless_generation_table(hitless_state_generation(view, place), 0);
          hitless_state_end(worker);
          return hitless_state_is_moving(view, 0) ? hitless_state_area_at(view, 0, place)->records : table;
        }
        int32_t step(struct hitless_worker *worker, void *batch);
        int32_t step(struct hitless_worker *worker, void *batch) {
          hitless_idle(worker);
          hitless_resume(worker);
          return hitless_run_batch(worker, pipeline, batch);
        }

        """
    let built = try compile(text, with: Self.compilers[compiler])
    #expect(built.status == 0, "\(Self.compilers[compiler].program): \(built.errors)")
  }

  @Test func `a mistake in a header would be seen`() throws {
    for compiler in Self.compilers {
      let text = "#include \"hitless/status.h\"\nstatic int unused(void) { return HITLESS_NONE; }\n"
      #expect(try compile(text, with: compiler).status != 0, "\(compiler.program)")
    }
  }

  @Test(arguments: [("module.c", 0), ("module.c", 1)])
  func `a C module builds by what pkg-config prints for hitless-module, and passes the lint`(
    name: String, compiler: Int
  ) throws {
    let directory = try TemporaryDirectory()
    let flags = try pkgConfigFlags(in: directory)
    var module = TestModule()
    module.name = "sample"
    let source = try directory.write(name, Array(try sourceText().utf8))
    let built = try run(
      Self.compilers[compiler].program, ["-O2", source] + flags + ["-o", directory.path("m.so")])
    try #require(built.status == 0, "\(built.errors)")
    let lint = try run(try BuiltProduct.path("hitless"), ["lint", directory.path("m.so")])
    #expect(lint.status == 0, "\(lint.output)")
  }

  /// Installs headers, version script and the .pc file below `directory`, and asks pkg-config.
  private func pkgConfigFlags(in directory: TemporaryDirectory) throws -> [String] {
    let prefix = directory.url.path
    let root = TestModule.root
    let template = try String(
      contentsOfFile: "\(root)/Sources/Modules/hitless-module.pc.in", encoding: .utf8)
    for path in ["include", "share/hitless", "lib/pkgconfig"] {
      try FileManager.default.createDirectory(
        atPath: "\(prefix)/\(path)", withIntermediateDirectories: true)
    }
    try directory.write(
      "lib/pkgconfig/hitless-module.pc",
      Array(template.replacingOccurrences(of: "@PREFIX@", with: prefix).utf8))
    let copies = [
      ("Sources/Ground/CHitless/include/hitless", "include"),
      ("Sources/Modules/module.map", "share/hitless"),
    ]
    for (from, to) in copies {
      try #require(try run("/bin/cp", ["-R", "\(root)/\(from)", "\(prefix)/\(to)"]).status == 0)
    }
    let printed = try run(
      "/usr/bin/env",
      [
        "PKG_CONFIG_PATH=\(prefix)/lib/pkgconfig", "pkg-config", "--cflags", "--libs",
        "hitless-module",
      ])
    try #require(printed.status == 0, "\(printed.errors)")
    return printed.output.split { $0 == " " || $0 == "\n" }.map(String.init)
  }

  private func sourceText() throws -> String {
    """
    #include "hitless/module.h"
    struct table { int (*answer)(int); };
    HITLESS_PATCHABLE static int answer(int x) { return x + 1; }
    static const struct table table = {answer};
    #define FACTS {.abi_version = HITLESS_ABI_VERSION, .interface_id = 7, .interface_version = 1, \\
                   .version_major = 1, .table_size = sizeof(struct table), .name = "sample"}
    HITLESS_NOTE static const struct hitless_module_note note = {
        .name_size = sizeof note.owner, .facts_size = sizeof note.facts,
        .type = HITLESS_NOTE_TYPE, .owner = "Hitless", .facts = FACTS};
    HITLESS_EXPORT const struct hitless_module hitless_module = {
        .size = sizeof hitless_module, .abi_version = HITLESS_ABI_VERSION, .facts = FACTS,
        .table = &table};

    """
  }
}
