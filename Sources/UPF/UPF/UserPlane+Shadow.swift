package import CHitless

extension UserPlane {
  /// How the agent runs copies of this plane's batches, to compare a candidate with stable before any worker has
  /// it (hitless/shadow.h).
  ///
  /// The plane must outlive the agent that is told.
  package var shadowOptions: hitless_shadow_options { unsafe shadow.options() }
}
