import Bytes
import ElfImage
import Foundation
import Refusal
import TestSupport
import Testing

@Suite("Loadability lint")
struct LoadabilityLintTests {
  static let clean = LintFixture("nothing", breaks: [])

  @Test(arguments: LintFixture.offenders)
  func `a module is refused for what is wrong with it, and for nothing else`(
    fixture: LintFixture
  ) throws {
    let compiler = fixture.cxx == nil ? "/usr/bin/gcc" : "/usr/bin/g++"
    let found = violations(try fixture.build(compiler: compiler))
    #expect(Set(found.map(\.rule)) == fixture.rules, "\(found)")
    let isNamed = fixture.mentions.isEmpty || found.contains { "\($0)".contains(fixture.mentions) }
    #expect(isNamed, "\(found)")
    #expect(found.allSatisfy { $0.json.text.contains("\"rule\":\"\($0.rule.rawValue)\"") })
  }

  @Test
  func `every rule has an advice, and the fixtures provoke every rule that a linker can break`() {
    #expect(LintRule.allCases.allSatisfy { !$0.mend.isEmpty })
    let provoked = LintFixture.offenders.reduce(into: Set<LintRule>()) { $0.formUnion($1.rules) }
    // The others take a damaged file; see the tests below.
    let damaged: Set<LintRule> = [
      .malformed, .fileType, .segmentBeyondFile, .segmentLayout, .dynamicTable, .relocation,
    ]
    #expect(provoked.union(damaged) == Set(LintRule.allCases))
    #expect(provoked.isDisjoint(with: damaged))
  }

  @Test func `the document has every rule, and no other`() throws {
    let document = try String(contentsOfFile: "\(TestModule.root)/docs/abi.md", encoding: .utf8)
    let section = try #require(
      document.components(separatedBy: "## 2. What a loadable module may contain").last?
        .components(separatedBy: "\n## ").first)
    let cells = section.split(separator: "\n").filter { $0.hasPrefix("| `") }
      .compactMap { $0.split(separator: "|").first }
    let rules = cells.flatMap { $0.split(separator: ",") }
      .map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
    #expect(rules.sorted() == LintRule.allCases.map(\.rawValue).sorted())
  }

  @Test(arguments: BuiltModules.all)
  func `the modules of the reference UPF pass`(name: String, version: String) throws {
    let bytes = try BuiltModules.bytes(name, version)
    let image = try LoadabilityLint.check(bytes, policy: .standard, name: name)
    let facts = try #require(image.moduleFacts)
    #expect(facts.name == name)
    #expect("\(facts.version)" == version)
    #expect(image.buildID?.count == 20)
  }

  @Test(arguments: [
    ("/usr/bin/gcc", []), ("/usr/bin/gcc", ["-fuse-ld=gold"]), ("/usr/bin/clang", []),
  ])
  func `a clean module passes whoever built it`(compiler: String, linker: [String]) throws {
    let bytes = try Self.clean.build(compiler: compiler, linker: linker)
    #expect(violations(bytes) == [])
  }

  @Test func `allowed imports pass, and a host can allow more but not what no host may`() throws {
    let fixture = Self.clean.with {
      $0.extra = """
        void *memcpy(void *, const void *, unsigned long); int puts(const char *); int fork(void);
        __attribute__((weak)) int perhaps(void);
        __attribute__((used)) static void *copy(void *a, void *b, unsigned long n) {
          return memcpy(a, b, n + (unsigned long)(puts("x") + fork() + (perhaps ? perhaps() : 0)));
        }
        """
    }
    let bytes = try fixture.build()
    #expect(Set(violations(bytes).map(\.subject)) == ["fork", "puts", "perhaps"])
    let policy = LoadabilityPolicy.standard.allowing(imports: ["puts", "perhaps", "fork"])
    let left = LoadabilityLint.violations(ofFile: bytes, policy: policy)
    #expect(left.map(\.rule) == [.forbiddenImport])
    #expect(left.map(\.subject) == ["fork"])
  }

  @Test(arguments: ["malloc", "free", "pthread_create", "__cxa_atexit", "dlopen", "atexit", "fork"])
  func `what allocates or registers with the process is never allowed`(name: String) {
    let policy = LoadabilityPolicy.standard.allowing(imports: [name])
    #expect(!policy.allows(import: name))
    #expect(policy.allows(import: "memcpy"))
  }

  @Test func `a page size that the segments are not aligned to is refused`() throws {
    let bytes = try Self.clean.with { $0.flags = ["-Wl,-z,max-page-size=4096"] }.build()
    var policy = LoadabilityPolicy.standard
    policy.pageSize = 65_536
    #expect(
      Set(LoadabilityLint.violations(ofFile: bytes, policy: policy).map(\.rule)) == [.segmentLayout]
    )
    let wide = try Self.clean.with { $0.flags = ["-Wl,-z,max-page-size=65536"] }.build()
    #expect(violations(wide) == [])
  }

  @Test func `a refusal names the first violation, counts the others and carries all of them`()
    throws
  {
    let bytes = try Self.clean.with {
      $0.extra = "__attribute__((used)) static int hits = 5;"
      $0.flags = ["-Wl,-z,nodelete"]
    }.build()
    let refusal = try #require(throws: Refusal.self) {
      try LoadabilityLint.check(bytes, policy: .standard, name: "'x.so'")
    }
    #expect(refusal.kind == .badELF)
    #expect(refusal.message.hasPrefix("'x.so' is not a loadable module: "))
    #expect(refusal.message.hasSuffix("(writable-data), and 1 more"))
    #expect(refusal.hint == LintRule.writableData.mend)
    #expect(refusal.violations.count == 2)
    #expect(refusal.json.text.contains("\"rule\":\"no-delete\""))
  }

  @Test func `programs and relocatable files are no modules`() throws {
    let object = try Self.clean.with {
      $0.without = ["-shared", "-Wl,"]
      $0.flags = ["-c"]
    }.build()
    #expect(violations(object).first?.rule == .fileType)
    let program = try Self.clean.with {
      $0.without = ["-shared", "-Wl,", "-nostartfiles", "-fPIC"]
      $0.flags = ["-no-pie"]
      $0.extra = "int main(void) { return 0; }"
    }.build()
    #expect(violations(program).map(\.rule) == [.fileType])
  }

  @Test func `the number of violations of one file is bounded`() throws {
    let bytes = try Self.clean.with {
      $0.extra = (0..<300).map { "__attribute__((visibility(\"default\"))) int f\($0);" }.joined()
      $0.exports = "f*;"
    }.build()
    #expect(violations(bytes).count == LoadabilityLint.violationLimit)
  }
}

func violations(_ bytes: [UInt8]) -> [LintViolation] {
  LoadabilityLint.violations(ofFile: bytes, policy: .standard)
}
