import Glibc
import TestSupport

/// What a device holds of a directory tree when the power fails: what was flushed, and what else it liked to.
///
/// A kill leaves everything that was written, in order; only this shows a missing flush, or one that comes too
/// late. It looks at the tree before every system call of the host.
final class Device {
  private let root: String
  /// Content of each file at its last flush, by inode; the inode is held open, so that its number is not given
  /// to another file.
  private var flushed: [UInt64: [UInt8]] = [:]
  private var held: [UInt64: Int32] = [:]
  /// Names in each directory at its last flush, with their inodes.
  private var names: [String: [String: UInt64]] = [:]

  init(_ root: String) {
    self.root = root
    look(root) { path, inode, isDirectory in
      if isDirectory { flushNames(path) } else { flushed[inode] = contents(of: path) ?? [] }
    }
  }

  deinit { for descriptor in held.values { close(descriptor) } }

  /// Takes note of a flush of `path`, which is under way.
  func flush(_ path: String) {
    guard path == root || path.hasPrefix(root + "/"), let (inode, isDirectory) = inode(of: path)
    else { return }
    if isDirectory { flushNames(path) } else { flushed[inode] = contents(of: path) ?? [] }
  }

  /// Everything that a power cut may leave at this moment, as far as four ways to lose go.
  func afterCut() -> [(way: String, files: [String: [UInt8]])] {
    var (all, content, torn): ([String: [UInt8]], [String: [UInt8]], [String: [UInt8]]) = (
      [:], [:], [:]
    )
    look(root) { path, inode, isDirectory in
      let name = String(path.dropFirst(root.utf8.count + 1)) + (isDirectory ? "/" : "")
      if path == root { return }
      let now = isDirectory ? [] : contents(of: path) ?? []
      let kept = flushed[inode] ?? []
      all[name] = now
      content[name] = isDirectory ? [] : kept
      torn[name] =
        isDirectory
        ? []
        : now.starts(with: kept)
          ? Array(now.prefix((now.count + kept.count + 1) / 2)) : kept
    }
    return [
      ("nothing is lost", all), ("names are there, contents are not", content),
      ("half of what was appended is there", torn),
      ("only what was flushed is there", durable(root)),
    ]
  }

  private func durable(_ path: String) -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for (name, inode) in names[path] ?? [:] {
      let inner = "\(path)/\(name)"
      if names[inner] != nil {
        files[name + "/"] = []
        for (rest, bytes) in durable(inner) { files["\(name)/\(rest)"] = bytes }
      } else {
        files[name] = flushed[inode] ?? []
      }
    }
    return files
  }

  private func flushNames(_ path: String) {
    var entries: [String: UInt64] = [:]
    for name in TestSupport.names(in: path) { entries[name] = inode(of: "\(path)/\(name)")?.0 }
    names[path] = entries
  }

  private func look(_ path: String, _ each: (String, UInt64, Bool) -> Void) {
    guard let (inode, isDirectory) = inode(of: path) else { return }
    each(path, inode, isDirectory)
    guard isDirectory else { return }
    for name in TestSupport.names(in: path) { look("\(path)/\(name)", each) }
  }

  private func inode(of path: String) -> (UInt64, Bool)? {
    var status = stat()
    // SAFETY: `status` is ours and of the right type.
    guard unsafe lstat(path, &status) == 0 else { return nil }
    let inode = UInt64(status.st_ino)
    if held[inode] == nil { held[inode] = unsafe open(path, O_RDONLY | O_CLOEXEC) }
    return (inode, status.st_mode & S_IFMT == S_IFDIR)
  }
}
