internal import CPlatform
internal import Glibc
internal import Platform
internal import Refusal

/// The files that are mapped as modules.
///
/// The loader is asked by one thread at a time, with this lock held, so that "is it there already" and
/// "map it" are one step.
private let mappedFiles = Guarded<Set<FileIdentity>>([])

/// What the loader takes for the identity of a file.
private struct FileIdentity: Hashable {
  let device: UInt64
  let inode: UInt64

  init(of descriptor: Int32) throws(Refusal) {
    var status = stat()
    // SAFETY: `status` is ours and of the right type.
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw Refusal(.io, "cannot look at the module's descriptor, error \(errno)")
    }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
  }
}

/// A shared library that the dynamic loader has mapped from an open descriptor.
///
/// The image is named `/proc/<pid>/fd/N` after a descriptor that this value owns and keeps open. The
/// loader matches libraries by name before it looks at the file: under a name that was used before it
/// answers with the *old* image. While the descriptor is open its number cannot be given to another
/// file, so the name is never used twice. (The process number, not `self`: a debugger that opens the
/// name in its own process would otherwise wait on its own descriptor.) The loader also matches by device
/// and inode, and then keeps the new name as an alias of the old image; so it is not even asked about a
/// file that is mapped already.
///
/// Dropping the value unmaps nothing: an image that nobody calls costs memory, one that somebody still
/// calls costs the process.
///
/// Threading: immutable after `map`; the loader's own lock guards the rest.
@safe
struct LoadedImage: @unchecked Sendable {
  let name: String
  let layout: ImageLayout
  /// Owned; closed by `unmap` only.
  private let descriptor: Int32
  private let file: FileIdentity
  private let handle: UnsafeMutableRawPointer

  /// Maps the file behind `source`, which the caller keeps or closes as it likes.
  ///
  /// Every symbol is resolved now, so that a missing one fails here and not in the packet path. Blocks.
  static func map(_ source: Int32) throws(Refusal) -> LoadedImage {
    let descriptor = fcntl(source, F_DUPFD_CLOEXEC, 3)
    guard descriptor >= 0 else {
      throw Refusal(.io, "cannot keep the module's descriptor open, error \(errno)")
    }
    // What the host's child has of the module is its mapping.
    hitless_shim_fork_cover(descriptor)
    return try mappedFiles.withLock { (files) throws(Refusal) in
      let file: FileIdentity
      do throws(Refusal) {
        file = try FileIdentity(of: descriptor)
        guard !files.contains(file) else {
          throw Refusal(
            .race, "this file is mapped as a module already",
            hint: "map each sealed file once and share the result")
        }
      } catch {
        release(descriptor)
        throw error
      }
      let image = try open(descriptor, file)
      files.insert(file)
      return image
    }
  }

  private static func open(
    _ descriptor: Int32, _ file: FileIdentity
  ) throws(Refusal) -> LoadedImage {
    let name = "/proc/\(getpid())/fd/\(descriptor)"
    // SAFETY: the name is NUL-terminated for the call; nothing is mapped with RTLD_NOLOAD.
    if let known = unsafe dlopen(name, RTLD_NOW | RTLD_NOLOAD) {
      _ = unsafe dlclose(known)
      // From here on the name may be an alias of that image: its descriptor is never closed, so that
      // no other module gets the name.
      throw Refusal(
        .race, "the dynamic loader already has an image of this file or under the name '\(name)'")
    }
    // SAFETY: the file is sealed and was checked; its code does not run before a hook is called.
    guard let handle = unsafe dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
      defer { release(descriptor) }
      throw Refusal(.badELF, "the dynamic loader refuses the module: \(loaderMessage())")
    }
    var image = unsafe hitless_shim_image()
    // SAFETY: the handle is open; `image` is ours.
    let found = unsafe hitless_shim_image_of_handle(handle, &image)
    guard found == 0, let layout = unsafe ImageLayout(image) else {
      // What it is, is not known; so neither is whether the loader lets go of it, and of the name.
      throw Refusal(.badELF, "the mapped image has no plausible program headers")
    }
    return unsafe LoadedImage(
      name: name, layout: layout, descriptor: descriptor, file: file, handle: handle)
  }

  private static func release(_ descriptor: Int32) {
    hitless_shim_fork_uncover(descriptor)
    close(descriptor)
  }

  /// Longest name of a memory file with what the kernel puts around it, in bytes.
  private static let nameLimit = 512

  /// What the kernel calls the file; the caller keeps the image mapped.
  var mappingName: String? {
    var bytes = [UInt8](repeating: 0, count: Self.nameLimit)
    // SAFETY: the path is NUL-terminated for the call; the buffer has `nameLimit` bytes.
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
      guard let start = buffer.baseAddress else { return -1 }
      return unsafe readlink("/proc/self/fd/\(descriptor)", start, buffer.count)
    }
    guard count > 0, count < bytes.count else { return nil }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  /// The bytes of the file; the caller keeps the image mapped.
  func fileBytes() throws(Refusal) -> [UInt8] {
    var status = stat()
    // SAFETY: `status` is ours and of the right type.
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw Refusal(.io, "cannot look at the module's descriptor, error \(errno)")
    }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var offset = 0
    while offset < bytes.count {
      let count = bytes.count - offset
      // SAFETY: the buffer has `count` bytes from `offset` on.
      let read = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe pread(descriptor, buffer.baseAddress?.advanced(by: offset), count, off_t(offset))
      }
      if read > 0 {
        offset += read
      } else if read == 0 || errno != EINTR {
        throw Refusal(.io, "cannot read the module's sealed file, error \(errno)")
      }
    }
    return bytes
  }

  /// The address of an exported object of `size` bytes; nil unless it lies in this image's data.
  ///
  /// `dlsym` also searches the image's dependencies, hence the check.
  func address(of symbol: String, size: Int) -> UInt? {
    // SAFETY: the handle is open; the name is NUL-terminated for the call.
    guard let pointer = unsafe dlsym(handle, symbol) else { return nil }
    let start = UInt(bitPattern: pointer)
    let (end, overflow) = start.addingReportingOverflow(UInt(size))
    return !overflow && layout.isReadable(start..<end) ? start : nil
  }

  /// Unmaps the image, whose code and data nobody may reach any more.
  ///
  /// When the loader keeps the image, its descriptor stays open too.
  func unmap() throws(Refusal) {
    try mappedFiles.withLock { (files) throws(Refusal) in
      // SAFETY: the caller has evidence that nobody reaches the image.
      guard unsafe dlclose(handle) == 0 else {
        throw Refusal(.state, "the dynamic loader does not let go of '\(name)': \(loaderMessage())")
      }
      guard unsafe hitless_shim_image_is_listed(name) == 0 else {
        throw Refusal(.state, "the dynamic loader keeps '\(name)' mapped")
      }
      files.remove(file)
      Self.release(descriptor)
    }
  }
}

private func loaderMessage() -> String {
  // SAFETY: the string belongs to this thread until its next call of the loader; copied at once.
  unsafe dlerror().map { unsafe String(cString: $0) } ?? "no reason given"
}
