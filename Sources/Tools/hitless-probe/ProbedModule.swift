internal import Bytes
internal import Glibc
internal import HotSwap
internal import Refusal

/// A module that was mapped, found to be what was verified, and has passed its own test.
struct ProbedModule {
  private let module: MappedModule

  /// Largest module that is read.
  static let byteLimit = 1 << 30

  /// Maps, compares and tests the module behind `descriptor`.
  init(descriptor: Int32, expecting expected: ModuleExpectation) throws(Refusal) {
    let file = try Self.bytes(of: descriptor)
    module = try MappedModule.map(descriptor: descriptor, expecting: expected, ordinal: 0)
    try module.compare(with: file)
    try module.prefault()
    let services = HostServices { level, message in
      let line = Array("<\(level)> \(message)\n".utf8)
      // SAFETY: the pointer is used for the call only.
      _ = unsafe write(STDERR_FILENO, line, line.count)
    }
    unsafe try module.selftest(services: services)
  }

  /// What was found out.
  var json: JSON {
    .object([
      ("module", .string(module.name)), ("version", .string(module.version)),
      ("build_id", .string(module.buildID.hex)), ("selftest", .bool(module.hasSelftest)),
    ])
  }

  private static func bytes(of descriptor: Int32) throws(Refusal) -> [UInt8] {
    var status = stat()
    // SAFETY: `status` is ours and of the right type.
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw Refusal(.usage, "descriptor \(descriptor) is not an open regular file")
    }
    guard status.st_size <= byteLimit else {
      throw Refusal(
        .limit, "the module is too large", expected: "at most \(byteLimit) bytes",
        found: "\(status.st_size) bytes")
    }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var offset = 0
    while offset < bytes.count {
      // SAFETY: the pointer is used inside the closure only, for the bytes that are left.
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe pread(
          descriptor, buffer.baseAddress?.advanced(by: offset), buffer.count - offset, offset)
      }
      guard count > 0 else { throw Refusal(.io, "cannot read the module, error \(errno)") }
      offset += count
    }
    return bytes
  }
}
