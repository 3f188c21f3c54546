internal import Agent
internal import Bytes
internal import Glibc
internal import Platform
internal import Refusal

/// What `struct hitless_agent` is to a C host: a reference to an agent, which the host owns.
enum AgentHandle {
  /// Hands a reference to the host.
  static func make(_ agent: Agent) -> OpaquePointer {
    unsafe OpaquePointer(Unmanaged.passRetained(agent).toOpaque())
  }

  /// The agent behind a handle.
  static func agent(_ handle: OpaquePointer?) throws(Refusal) -> Agent {
    let handle = unsafe try required(handle, "agent")
    // SAFETY: the host got the handle from `make` and has not closed it: that is its contract.
    return unsafe Unmanaged<Agent>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
  }

  /// Takes the reference back; the handle is void from here on.
  static func release(_ handle: OpaquePointer?) {
    guard let handle = unsafe handle else { return }
    // SAFETY: balances `make`, once, after a successful close.
    unsafe Unmanaged<Agent>.fromOpaque(UnsafeRawPointer(handle)).release()
  }
}

/// Runs one call and returns its status; a refusal is kept for this thread.
func answering(_ body: () throws(Refusal) -> Void) -> Int32 {
  do throws(Refusal) {
    try requireOwnProcess()
    try body()
    return 0
  } catch {
    LastRefusal.keep(error)
    return error.kind.rawValue
  }
}

/// Throws in a copy of the process that has opened the agent: whatever lock another thread of it has held is held
/// for ever there.
func requireOwnProcess() throws(Refusal) {
  guard Fork.isChild else { return }
  throw Refusal(
    .state, "this process is a copy of the agent's host, made by 'fork'",
    hint: "an agent belongs to the process that has opened it")
}

/// The pointer, or a usage refusal that names the argument.
func required<Pointer>(_ pointer: Pointer?, _ name: String) throws(Refusal) -> Pointer {
  guard let pointer else { throw Refusal(.usage, "'\(name)' may not be null") }
  return pointer
}

/// Throws unless the caller's struct is at least as long as the one this library was built with.
func requireSize<Struct>(
  _ size: UInt32, of: Struct.Type, _ name: String
) throws(Refusal) {
  try requireSize(size, atLeast: MemoryLayout<Struct>.size, name)
}

/// Throws unless the caller's struct has at least the fields that its first version had.
func requireSize(_ size: UInt32, atLeast expected: Int, _ name: String) throws(Refusal) {
  guard Int(size) >= expected else {
    throw Refusal(
      .usage, "'\(name)' is too small", expected: "size \(expected)", found: "size \(size)",
      hint: "set its size field to sizeof")
  }
}

/// Longest text that is taken from a host.
let textLimit = 4096

/// A C string as text, within `textLimit`.
func text(_ pointer: UnsafePointer<CChar>, _ name: String) throws(Refusal) -> String {
  // SAFETY: the host promises a NUL-terminated string; no byte past the limit is read.
  let count = unsafe strnlen(pointer, textLimit)
  guard count < textLimit else {
    throw Refusal(.limit, "'\(name)' is longer than \(textLimit - 1) bytes")
  }
  let bytes = unsafe UnsafeRawBufferPointer(start: pointer, count: count)
  guard let text = unsafe String(validating: bytes, as: UTF8.self) else {
    throw Refusal(.usage, "'\(name)' is not UTF-8")
  }
  return text
}

/// Copies text for a host, NUL-terminated, as far as there is room; returns its full length.
func copyText(
  _ text: String, to buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> Int {
  let bytes = Array(text.utf8)
  guard let buffer = unsafe buffer, capacity > 0 else { return bytes.count }
  let copied = min(bytes.count, capacity - 1)
  // SAFETY: the caller promises `capacity` writable bytes; one is kept for the terminating NUL.
  for index in 0..<copied { unsafe buffer[index] = CChar(bitPattern: bytes[index]) }
  unsafe buffer[copied] = 0
  return bytes.count
}

/// The last refusal of each thread.
///
/// Threading: each thread sees its own. The key's destructor frees a thread's text when it ends.
enum LastRefusal {
  private final class Box {
    let json: String
    init(_ json: String) { self.json = json }
  }

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    // SAFETY: the destructor gets what `keep` stored, once.
    unsafe pthread_key_create(&key) { stored in
      guard let stored = unsafe stored else { return }
      unsafe Unmanaged<Box>.fromOpaque(stored).release()
    }
    return key
  }()

  /// Keeps `refusal` for the calling thread.
  static func keep(_ refusal: Refusal) {
    if let old = unsafe pthread_getspecific(key) {
      unsafe Unmanaged<Box>.fromOpaque(old).release()
    }
    unsafe pthread_setspecific(
      key, Unmanaged.passRetained(Box(refusal.json.text)).toOpaque())
  }

  /// The JSON of this thread's last refusal; empty when there was none.
  static var json: String {
    guard let stored = unsafe pthread_getspecific(key) else { return "" }
    return unsafe Unmanaged<Box>.fromOpaque(stored).takeUnretainedValue().json
  }
}
