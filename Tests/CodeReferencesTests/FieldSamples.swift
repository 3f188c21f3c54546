import CodeReferences
import TestSupport
import Testing

/// Files whose fields are looked at: libraries that every machine with the setup has, and what gcc
/// makes of a page of C.
enum FieldSamples {
  static let crypto = "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"
  static let standard = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"
  static let c = "/usr/lib/x86_64-linux-gnu/libc.so.6"

  /// The fields of a library, found once for all tests.
  static func map(_ path: String) throws -> FieldMap {
    switch path {
    case crypto: try cryptoMap.get()
    case standard: try standardMap.get()
    default: try cMap.get()
    }
  }

  private static let cryptoMap = Result { FieldMap(try #require(contents(of: crypto))) }
  private static let standardMap = Result { FieldMap(try #require(contents(of: standard))) }
  private static let cMap = Result { FieldMap(try #require(contents(of: c))) }

  /// Jump tables, relocated slots, calls through the PLT, and constants that are no tables.
  static let source = """
    extern int one(int), two(int), three(int), four(int), five(int), six(int);
    static int values[8];
    int *const slots[] = {values, values + 1, 0, values + 2, values + 3, values + 4, values + 7};
    int *const many[150] = {[0 ... 149] = values + 5};
    static void end(int *x) { six(*x); }
    int guarded(int x) { int y __attribute__((cleanup(end))) = x; return one(x) + two(y); }
    const char *const names[] = {"alpha", "beta", "gamma"};
    const int numbers[] = {1, 2, 3, 4, 5, 6, 7};
    int select(int x) {
      switch (x) {
      case 0: return one(x); case 1: return two(1); case 2: return three(x + 1);
      case 3: return four(3); case 4: return five(x); case 5: return six(5); case 6: return one(7);
      }
      return values[x & 7] + *slots[x & 1];
    }
    int again(int x) {
      switch (x & 15) {
      case 1: return six(x); case 2: return one(9); case 3: return two(x); case 4: return three(4);
      case 5: return four(x); case 6: return five(4); case 9: return six(3); case 11: return one(2);
      }
      return numbers[x & 3];
    }
    """

  /// Builds `source` as a shared library, with more options, and returns its bytes.
  static func build(_ options: [String] = []) throws -> [UInt8] {
    let directory = try TemporaryDirectory()
    let output = try build(options, in: directory)
    return try directory.bytes(output)
  }

  /// Builds `source` in a directory and returns the name of the file.
  static func build(_ options: [String], in directory: TemporaryDirectory) throws -> String {
    let source = try directory.write("sample.c", Array(Self.source.utf8))
    let built = try run(
      "/usr/bin/gcc",
      ["-O2", "-fPIC", "-shared", "-nostdlib"] + options
        + ["-o", directory.path("sample.so"), source])
    try #require(built.status == 0, "\(built.errors)")
    return "sample.so"
  }
}

/// What readelf says of a file.
struct Readelf {
  let path: String

  /// The lines that the options give, each divided into words.
  func lines(_ options: String...) throws -> [[Substring]] {
    let printed = try run("/usr/bin/readelf", options + ["-W", path])
    return printed.output.split(separator: "\n").map { $0.split(separator: " ") }
  }

  /// A section as readelf prints it.
  struct Section {
    let name: Substring
    let type: Substring
    let address: UInt64
    let offset: Int
    let size: Int
    let flags: Substring
  }

  /// The sections.
  func sections() throws -> [Section] {
    let printed = try run("/usr/bin/readelf", ["-SW", path]).output
    return printed.split(separator: "\n").compactMap { line in
      guard let bracket = line.firstIndex(of: "]"), line.hasPrefix("  [") else { return nil }
      let words = line[line.index(after: bracket)...].split(separator: " ")
      guard words.count > 6, let address = UInt64(words[2], radix: 16),
        let offset = Int(words[3], radix: 16), let size = Int(words[4], radix: 16)
      else { return nil }
      return Section(
        name: words[0], type: words[1], address: address, offset: offset, size: size,
        flags: words[6])
    }
  }

  /// The section of a name.
  func section(_ name: String) throws -> Section {
    try #require(try sections().first { $0.name == name }, "no \(name) in \(path)")
  }
}

/// All kinds of a file, page by page.
func allKinds(_ map: FieldMap) -> [UInt8] {
  var kinds: [UInt8] = []
  var page = FieldPage()
  for index in 0..<(map.bytes.count + FieldMap.pageCount - 1) / FieldMap.pageCount {
    map.fill(&page, index: index)
    kinds += page.kinds
  }
  return Array(kinds.prefix(map.bytes.count))
}

/// How many fields there are of a kind.
func count(_ kind: ByteKind, in kinds: [UInt8]) -> Int {
  kinds.count { ByteKind(rawValue: $0).isFirst && ByteKind(rawValue: $0).plain == kind }
}

/// A reader of fields that may stand in expectations, which take no mutating calls.
final class FieldView {
  private var reader: FieldReader

  init(_ map: FieldMap) { reader = FieldReader(map) }

  func kind(at offset: Int) -> ByteKind { reader.kind(at: offset) }
  func partner(at offset: Int) -> Int { reader.partner(at: offset) }
  func target(at offset: Int, kind: ByteKind) -> UInt64? { reader.target(at: offset, kind: kind) }
  func end(at offset: Int, kind: ByteKind) -> UInt64? { reader.end(at: offset, kind: kind) }
}
