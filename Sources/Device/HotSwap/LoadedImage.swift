internal import CPlatform
internal import Glibc
internal import Refusal
internal import Synchronization

/// The dynamic loader is asked by one thread at a time, so that "is it there already" and "map it" are
/// one step.
private let loader = Mutex(())

/// A shared library that the dynamic loader has mapped from an open descriptor.
///
/// The image is named `/proc/<pid>/fd/N` after a descriptor that this value owns and keeps open. The
/// loader matches libraries by name before it looks at the file: under a name that was used before it
/// answers with the *old* image. While the descriptor is open its number cannot be given to another
/// file, so the name is never used twice. (The process number, not `self`: a debugger that opens the
/// name in its own process would otherwise wait on its own descriptor.)
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
  private let handle: UnsafeMutableRawPointer

  /// Maps the file behind `source`, which the caller keeps or closes as it likes.
  ///
  /// Every symbol is resolved now, so that a missing one fails here and not in the packet path. Blocks.
  static func map(_ source: Int32) throws(Refusal) -> LoadedImage {
    let descriptor = fcntl(source, F_DUPFD_CLOEXEC, 3)
    guard descriptor >= 0 else {
      throw Refusal(.io, "cannot keep the module's descriptor open, error \(errno)")
    }
    let name = "/proc/\(getpid())/fd/\(descriptor)"
    do throws(Refusal) {
      return try loader.withLock { (_) throws(Refusal) in try open(name, descriptor) }
    } catch {
      // An image that stayed mapped keeps its name, so the number must not be given to another file.
      if unsafe hitless_shim_image_is_listed(name) == 0 { close(descriptor) }
      throw error
    }
  }

  private static func open(_ name: String, _ descriptor: Int32) throws(Refusal) -> LoadedImage {
    // SAFETY: the name is NUL-terminated for the call; nothing is mapped with RTLD_NOLOAD.
    if let known = unsafe dlopen(name, RTLD_NOW | RTLD_NOLOAD) {
      _ = unsafe dlclose(known)
      throw Refusal(
        .race, "the dynamic loader already has an image of this file or under the name '\(name)'",
        hint: "map each sealed file once and share the result")
    }
    // SAFETY: the file is sealed and was checked; its code does not run before a hook is called.
    guard let handle = unsafe dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
      throw Refusal(.badELF, "the dynamic loader refuses the module: \(loaderMessage())")
    }
    var image = unsafe hitless_shim_image()
    // SAFETY: the handle is open; `image` is ours.
    let found = unsafe hitless_shim_image_of_handle(handle, &image)
    guard found == 0, let layout = unsafe ImageLayout(image) else {
      _ = unsafe dlclose(handle)
      throw Refusal(.badELF, "the mapped image has no plausible program headers")
    }
    return unsafe LoadedImage(
      name: name, layout: layout, descriptor: descriptor, handle: handle)
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
    try loader.withLock { (_) throws(Refusal) in
      // SAFETY: the caller has evidence that nobody reaches the image.
      guard unsafe dlclose(handle) == 0 else {
        throw Refusal(.state, "the dynamic loader does not let go of '\(name)': \(loaderMessage())")
      }
      guard unsafe hitless_shim_image_is_listed(name) == 0 else {
        throw Refusal(.state, "the dynamic loader keeps '\(name)' mapped")
      }
      close(descriptor)
    }
  }
}

private func loaderMessage() -> String {
  // SAFETY: the string belongs to this thread until its next call of the loader; copied at once.
  unsafe dlerror().map { unsafe String(cString: $0) } ?? "no reason given"
}
