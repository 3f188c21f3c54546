internal import Glibc

/// Removes `path` and everything beneath it; links are removed, not followed.
package func removeTree(_ path: String) {
  if unsafe unlink(path) == 0 { return }
  for name in names(in: path) { removeTree("\(path)/\(name)") }
  unsafe rmdir(path)
}

/// The names in a directory, sorted; empty when there is none.
package func names(in path: String) -> [String] {
  guard let stream = unsafe opendir(path) else { return [] }
  // SAFETY: the stream is open until the defer at the end of this scope.
  defer { _ = unsafe closedir(stream) }
  var names: [String] = []
  while let entry = unsafe readdir(stream) {
    // SAFETY: d_name is NUL-terminated and valid until the next readdir of this stream.
    let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
      unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names.sorted()
}

/// The names of this process's threads, as far as the kernel keeps them.
package func threadNames() -> [String] {
  names(in: "/proc/self/task").map {
    let name = contents(of: "/proc/self/task/\($0)/comm") ?? []
    return String(decoding: name.dropLast(), as: UTF8.self)
  }
}

/// The bytes of a file, or nil when it cannot be read.
package func contents(of path: String) -> [UInt8]? {
  guard let file = unsafe fopen(path, "rb") else { return nil }
  // SAFETY: the file is open until the defer at the end of this scope.
  defer { _ = unsafe fclose(file) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    // SAFETY: the chunk has as many bytes as are asked for.
    let count = unsafe fread(&chunk, 1, chunk.count, file)
    guard count > 0 else { return bytes }
    bytes += chunk[0..<count]
  }
}

/// Every file beneath `path` with its bytes, for comparisons of before and after.
package func snapshot(of path: String) -> [String: [UInt8]] {
  var files: [String: [UInt8]] = [:]
  for name in names(in: path) {
    let inner = "\(path)/\(name)"
    var status = stat()
    // SAFETY: `status` is ours and of the right type.
    guard unsafe lstat(inner, &status) == 0 else { continue }
    if status.st_mode & S_IFMT == S_IFDIR {
      files[name + "/"] = []
      for (rest, bytes) in snapshot(of: inner) { files["\(name)/\(rest)"] = bytes }
    } else {
      files[name] = contents(of: inner) ?? []
    }
  }
  return files
}
