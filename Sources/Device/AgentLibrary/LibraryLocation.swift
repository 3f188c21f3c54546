internal import CPlatform

/// Where the file of this library is: its helper is installed relative to it.
enum LibraryLocation {
  /// The path by which the loader knows the library; nil when it does not say.
  static var path: String? {
    // SAFETY: the string is the loader's and lives as long as the library is mapped, which it is.
    unsafe hitless_shim_own_image_path().map { unsafe String(cString: $0) }
  }
}
