/// Where threads run, and how far they yield to others.
///
/// What is left open is inherited from the thread that starts them; so are both, in turn, by the threads
/// and the programs that they start.
package struct ThreadPlacement: Equatable, Sendable {
  /// The processors that the threads keep to; empty: those of the thread that starts them.
  package var processors: [Int32]
  /// Their nice value; nil: that of the thread that starts them.
  package var nice: Int32?

  /// As the thread that starts them.
  package static let inherited = ThreadPlacement()

  /// Creates a placement.
  package init(processors: [Int32] = [], nice: Int32? = nil) {
    self.processors = processors
    self.nice = nice
  }

  /// Throws unless the kernel lets a thread of this process be placed so; tries it with one.
  package func check() throws(SystemError) {
    guard self != .inherited else { return }
    let failure = Guarded<SystemError?>(nil)
    let thread = try SystemThread.start("hitless-place") {
      do throws(SystemError) {
        try apply()
      } catch {
        failure.withLock { $0 = error }
      }
    }
    thread.join()
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Places the calling thread.
  func apply() throws(SystemError) {
    if !processors.isEmpty { try CurrentThread.setProcessors(processors) }
    if let nice { try CurrentThread.setNice(nice) }
  }
}
