internal import Bytes
internal import Foundation
internal import Refusal

/// A directory in which perf, gdb and others find files by their build-id.
///
/// `.build-id/ab/cdef…` is perf's link to the directory with the file, which is called `elf` there;
/// `.build-id/ab/cdef….debug` is the link that gdb looks for in each of its debug file directories.
struct BuildIDCache {
  let directory: String

  init(_ directory: String) { self.directory = directory }

  /// Where the file of `module` is, or will be.
  func file(of module: LiveModule) -> String { "\(directory)/\(folder(of: module))/elf" }

  private func folder(of module: LiveModule) -> String {
    "hitless/\(module.name)-\(module.version)/\(module.buildID.hex)"
  }

  /// Puts the module there, unless it is; `bytes` is asked for the file only then.
  func add(_ module: LiveModule, _ bytes: () throws(Refusal) -> [UInt8]) throws(Refusal) {
    let path = file(of: module)
    if !FileManager.default.fileExists(atPath: path) {
      let bytes = try bytes()
      try doing("write", path) {
        try FileManager.default.createDirectory(
          atPath: "\(directory)/\(folder(of: module))", withIntermediateDirectories: true)
        // In one step: who looks meanwhile finds no half of it.
        try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
      }
    }
    let hex = module.buildID.hex
    let link = ".build-id/\(hex.prefix(2))/\(hex.dropFirst(2))"
    try linkUnlessThere(link, to: "../../\(folder(of: module))")
    try linkUnlessThere("\(link).debug", to: "../../\(folder(of: module))/elf")
  }

  /// A link that leads somewhere is left alone: what has the same build-id is the same file.
  private func linkUnlessThere(_ link: String, to target: String) throws(Refusal) {
    let path = "\(directory)/\(link)"
    guard !FileManager.default.fileExists(atPath: path) else { return }
    try doing("link", path) {
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      // One that leads nowhere would be in the way.
      try? FileManager.default.removeItem(atPath: path)
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    }
  }

  /// Writes what gdb is to do for this process, and returns where.
  func writeScript(process: UInt64, _ modules: [LiveModule]) throws(Refusal) -> String {
    let path = "\(directory)/hitless/\(process).gdb"
    let lines = modules.map { module in
      "add-symbol-file '\(file(of: module))' -o 0x\(String(module.bias, radix: 16))"
    }
    let text = (["set confirm off"] + lines).joined(separator: "\n") + "\n"
    try doing("write", path) {
      try FileManager.default.createDirectory(
        atPath: "\(directory)/hitless", withIntermediateDirectories: true)
      try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    }
    return path
  }

  private func doing(
    _ what: String, _ path: String, _ body: () throws -> Void
  ) throws(Refusal) {
    do {
      try body()
    } catch {
      throw Refusal(
        .io, "cannot \(what) '\(path)': \(error.localizedDescription)",
        hint: "name another place with --directory")
    }
  }
}
