import DeltaEncoder
import Foundation
import TestSupport
import Testing

/// Relocatable objects, as kernel modules are: their relocations name places in sections, not addresses.
@Suite("Delta of objects")
struct ObjectDeltaTests {
  @Test(arguments: [["-g"], ["-g", "-ffunction-sections"]])
  func `code that has not changed costs no more where there is debug information`(
    flags: [String]
  ) throws {
    let directory = try TemporaryDirectory()
    let plain = try textCost(flags.filter { $0 != "-g" }, in: directory)
    let withDebug = try textCost(flags, in: directory)
    #expect(withDebug < plain * 1.5 + 20, "\(withDebug), \(plain) without")
  }

  /// Bytes of a delta that are spent on `.text` and its kind.
  private func textCost(_ flags: [String], in directory: TemporaryDirectory) throws -> Double {
    let (base, target) = (try object(false, flags, directory), try object(true, flags, directory))
    let delta = DeltaEncoder.encode(base: base, target: target, keepsBook: true)
    let sections = DeltaExplanation(delta, target: target).sections
    return sections.filter { $0.name.hasPrefix(".text") }.map(\.bytes).reduce(0, +)
  }

  /// Some hundred functions, all of which touch a record; one of them has a check more.
  private func object(
    _ isFixed: Bool, _ flags: [String], _ directory: TemporaryDirectory
  ) throws -> [UInt8] {
    var source = """
      struct record { struct record *next; long key, count; char name[24]; };
      extern long look(struct record *, const char *);

      """
    for number in 0..<150 {
      let check = isFixed && number == 70 ? "if (!r->next) return -1;" : ""
      source += """
        long step\(number)(struct record *r, long n) {
          \(check)
          if (r->key == \(number * 37)) r->count += look(r->next, "step \(number)");
          for (long i = 0; i < n; i++) r->name[i % 24] ^= (char)(r->key + \(number));
          return \(number > 0 ? "step\(number - 1)(r->next, n - 1)" : "r->count");
        }

        """
    }
    let path = try directory.write("unit.c", Array(source.utf8))
    let built = try run(
      "/usr/bin/gcc", ["-O2", "-fPIC", "-c", path, "-o", directory.path("unit.o")] + flags)
    try #require(built.status == 0, "\(built.errors)")
    return [UInt8](try Data(contentsOf: URL(fileURLWithPath: directory.path("unit.o"))))
  }
}
