extension TestModule {
  /// What a module may not have, by name, with the C that brings it in.
  package static let offenders: [(name: String, code: String)] = [
    ("writable data", "int writable = 1; int *use(void) { return &writable; }"),
    ("a constructor", "__attribute__((constructor)) static void begin(void) {}"),
    ("a destructor", "__attribute__((destructor)) static void end(void) {}"),
    ("thread-local data", "__thread int local; int *use(void) { return &local; }"),
    (
      "a forbidden import",
      "extern int system(const char *); int use(void) { return system(\"true\"); }"
    ),
  ]

  /// Brings one of `offenders` in, so that the linker keeps it.
  package mutating func offend(with code: String) {
    // Visible, so that the compiler keeps it; the version script hides it again.
    extra =
      "#pragma GCC visibility push(default)\n\(code)\n" + "HITLESS_NOTE void *const keep_use = 0;"
    options = ["-Wl,--no-as-needed", "-lc", "-Wl,-u,use", "-fno-builtin"]
  }
}
