internal import CPlatform

/// A process that goes on as a copy of its host, without having started another program.
///
/// It has one thread, none of the agent's, and whatever lock another thread had held is held for ever. What would reach
/// beyond it, the lock of the state directory, the audit log, the control socket and its connections, the modules'
/// files, the pipes that wake the agent's threads, it finds replaced by a file that swallows everything
/// (`FileDescriptor.hideFromChildren`).
package enum Fork {
  /// Whether this process is such a copy.
  package static var isChild: Bool { hitless_shim_fork_is_child() != 0 }
}
