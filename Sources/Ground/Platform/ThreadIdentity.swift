internal import CPlatform
internal import Glibc

/// One thread of this process for good, also after the kernel has given its number to another one.
package struct ThreadIdentity: Equatable, Sendable {
  /// The kernel's number, as in `/proc/self/task`.
  package let id: Int32
  /// When it began, in the kernel's ticks since the machine did; nil when the kernel does not tell.
  package let start: UInt64?

  /// The thread of that number that began then.
  package init(id: Int32, start: UInt64?) {
    self.id = id
    self.start = start
  }

  /// The calling thread.
  package static var current: ThreadIdentity {
    let id = CurrentThread.id
    return ThreadIdentity(id: id, start: startTime(of: id))
  }

  /// Whether the kernel says that this thread has ended; false when it does not say.
  ///
  /// It takes a thread off the list of its process after the thread's last instruction, under the lock under which
  /// it is looked for here: what the thread has read and written is over for whoever is told so. A thread of the
  /// same number that began at another time is another one. Needs no descriptor where the number is free.
  package var hasEnded: Bool {
    guard hitless_shim_thread_exists(id) != 0 else { return true }
    guard let start, let found = Self.startTime(of: id) else { return false }
    return start != found
  }

  /// Field 22 of proc(5)'s `stat`, behind the name, which may contain anything.
  private static func startTime(of id: Int32) -> UInt64? {
    let path = "/proc/self/task/\(id)/stat"
    do throws(SystemError) {
      let file = try FileDescriptor.open(path, O_RDONLY)
      let text = String(decoding: try file.read(upTo: 1 << 12, from: path), as: UTF8.self)
      guard let name = text.lastIndex(of: ")") else { return nil }
      let fields = text[name...].split(separator: " ")
      return fields.count > 20 ? UInt64(fields[20]) : nil
    } catch {
      return nil
    }
  }
}
