import ElfImage

extension LintFixture {
  /// One module for each way in which the compiler, the linker or the author can spoil it.
  static let offenders: [LintFixture] =
    dataOffenders + codeOffenders + loaderOffenders + symbolOffenders + identityOffenders

  private static let dataOffenders = [
    LintFixture("a variable with a value", breaks: [.writableData]).with {
      $0.extra = "__attribute__((used)) static int hits = 5;"
      $0.mentions = "hits"
    },
    LintFixture("a variable without a value", breaks: [.writableData]).with {
      $0.extra = "__attribute__((used)) static int counters[4096];"
      $0.mentions = "counters"
    },
    LintFixture("no protection after relocation", breaks: [.writableData]).with {
      $0.without = ["relro"]
      $0.flags = ["-Wl,-z,norelro"]
      $0.mentions = "hitless_module"
    },
    LintFixture("code that is writable", breaks: [.writableCode, .writableData]).with {
      $0.extra = "__asm__(\".section .hot,\\\"awx\\\"\\n.byte 0xc3\\n.text\\n\");"
      $0.mentions = "writable and executable"
    },
    LintFixture("a thread-local variable", breaks: [.threadLocal, .import]).with {
      $0.extra = """
        __attribute__((used)) static __thread int mine = 1;
        __attribute__((used)) static int *where(void) { return &mine; }
        """
      $0.mentions = "mine"
    },
    LintFixture("a thread-local variable in static storage", breaks: [.threadLocal]).with {
      $0.extra = """
        __attribute__((used)) static __thread int mine = 1;
        __attribute__((used)) static int *where(void) { return &mine; }
        """
      $0.flags = ["-ftls-model=initial-exec"]
      $0.mentions = "DF_STATIC_TLS"
    },
    LintFixture("an executable stack", breaks: [.executableStack]).with {
      $0.without = ["noexecstack"]
      $0.flags = ["-Wl,-z,execstack"]
      $0.mentions = "GNU_STACK"
    },
  ]

  private static let codeOffenders = [
    LintFixture("a constructor", breaks: [.constructor]).with {
      $0.extra = "__attribute__((constructor)) static void begin(void) { __asm__(\"\"); }"
      $0.mentions = "begin"
    },
    LintFixture("a destructor", breaks: [.destructor]).with {
      $0.extra = "__attribute__((destructor)) static void end(void) { __asm__(\"\"); }"
      $0.mentions = "end"
    },
    LintFixture("an initialization function", breaks: [.constructor]).with {
      $0.extra = "void begin(void) { __asm__(\"\"); }"
      $0.flags = ["-Wl,-init,begin"]
      $0.mentions = "begin"
    },
    LintFixture("a termination function", breaks: [.destructor]).with {
      $0.extra = "void end(void) { __asm__(\"\"); }"
      $0.flags = ["-Wl,-fini,end"]
      $0.mentions = "end"
    },
    LintFixture(
      "the start files",
      breaks: [.constructor, .destructor, .weakImport, .forbiddenImport, .writableData]
    ).with {
      $0.without = ["-nostartfiles"]
      $0.mentions = "__gmon_start__"
    },
    LintFixture("a function chosen while mapping", breaks: [.indirectFunction]).with {
      $0.extra = """
        static int one(int x) { return x + 1; }
        static void *pick(void) { return (void *)one; }
        static int chosen(int) __attribute__((ifunc("pick")));
        __attribute__((used)) static int caller(int x) { return chosen(x); }
        """
    },
    LintFixture("an exported function chosen while mapping", breaks: [.indirectFunction, .export])
      .with {
        $0.extra = """
          static int one(int x) { return x + 1; }
          static void *pick(void) { return (void *)one; }
          __attribute__((visibility("default"))) int chosen(int) __attribute__((ifunc("pick")));
          """
        $0.exports = "chosen;"
        $0.mentions = "chosen"
      },
    LintFixture("relocations of code", breaks: [.textRelocation]).with {
      $0.extra = "__asm__(\".text\\n.balign 8\\n.quad answer\\n\");"
      $0.flags = ["-Wl,-z,notext"]
      $0.mentions = "DT_TEXTREL"
    },
  ]

  private static let loaderOffenders = [
    LintFixture("a search path", breaks: [.searchPath]).with {
      $0.flags = ["-Wl,-rpath,/opt/lib"]
      $0.mentions = "/opt/lib"
    },
    LintFixture("an old search path", breaks: [.searchPath]).with {
      $0.flags = ["-Wl,--disable-new-dtags,-rpath,/opt/lib"]
      $0.mentions = "DT_RPATH"
    },
    LintFixture("an interpreter", breaks: [.interpreter]).with {
      $0.extra = """
        __attribute__((used, section(".interp"))) static const char interpreter[] = "/lib64/ld.so";
        """
      $0.mentions = "INTERP"
    },
    LintFixture("an image that stays", breaks: [.noDelete]).with {
      $0.flags = ["-Wl,-z,nodelete"]
      $0.mentions = "DF_1_NODELETE"
    },
    LintFixture("initialization before all others", breaks: [.loaderFlag]).with {
      $0.flags = ["-Wl,-z,initfirst"]
      $0.mentions = "DF_1_INITFIRST"
    },
    LintFixture("interposition", breaks: [.loaderFlag]).with {
      $0.flags = ["-Wl,-z,interpose"]
      $0.mentions = "DF_1_INTERPOSE"
    },
    LintFixture("a place that matters", breaks: [.loaderFlag]).with {
      $0.flags = ["-Wl,-z,origin"]
      $0.mentions = "DF_ORIGIN"
    },
    LintFixture("an audit library", breaks: [.audit]).with {
      $0.flags = ["-Wl,--audit=libwatch.so"]
      $0.mentions = "libwatch.so"
    },
    LintFixture("an audit library for what it needs", breaks: [.audit]).with {
      $0.flags = ["-Wl,--depaudit=libwatch.so"]
      $0.mentions = "DT_DEPAUDIT"
    },
    LintFixture("a filter", breaks: [.audit]).with {
      $0.flags = ["-Wl,--filter=libother.so"]
      $0.mentions = "DT_FILTER"
    },
    LintFixture("an auxiliary filter", breaks: [.audit]).with {
      $0.flags = ["-Wl,--auxiliary=libother.so"]
      $0.mentions = "DT_AUXILIARY"
    },
    LintFixture("late binding", breaks: [.lazyBinding]).with {
      $0.without = ["-z,now"]
      $0.flags = ["-Wl,-z,lazy"]
    },
    LintFixture("a library that is not on the list", breaks: [.neededLibrary]).with {
      $0.flags = ["-Wl,--no-as-needed", "-lm"]
      $0.mentions = "libm.so.6"
    },
    LintFixture("a name with a path", breaks: [.soname]).with {
      $0.flags = ["-Wl,-soname,/proc/1/fd/3"]
      $0.mentions = "/proc/1/fd/3"
    },
    LintFixture("the name of the C library", breaks: [.soname]).with {
      $0.flags = ["-Wl,-soname,libc.so.6"]
      $0.mentions = "libc.so.6"
    },
  ]

  private static let symbolOffenders = [
    LintFixture("another export", breaks: [.export]).with {
      $0.extra = "__attribute__((visibility(\"default\"))) int helper(int x) { return x; }"
      $0.exports = "helper;"
      $0.mentions = "helper"
    },
    LintFixture("exports without a version script", breaks: [.export]).with {
      $0.without = ["version-script"]
      $0.extra = "__attribute__((visibility(\"default\"))) int helper(int x) { return x; }"
      $0.mentions = "helper"
    },
    LintFixture("an import that is not on the list", breaks: [.import]).with {
      $0.extra = """
        int puts(const char *);
        __attribute__((used)) static int say(void) { return puts("x"); }
        """
      $0.mentions = "puts"
    },
    LintFixture("an allocator", breaks: [.forbiddenImport]).with {
      $0.extra = """
        void *malloc(unsigned long);
        __attribute__((used)) static void *take(void) { return malloc(5); }
        """
      $0.mentions = "malloc"
    },
    LintFixture("a signal handler", breaks: [.forbiddenImport]).with {
      $0.extra = """
        int sigaction(int, const void *, void *);
        __attribute__((used)) static int take(void) { return sigaction(5, 0, 0); }
        """
      $0.mentions = "sigaction"
    },
    LintFixture("a weak import", breaks: [.weakImport]).with {
      $0.extra = """
        __attribute__((weak)) int perhaps(void);
        __attribute__((used)) static int ask(void) { return perhaps ? perhaps() : 0; }
        """
      $0.mentions = "perhaps"
    },
    LintFixture(
      "a symbol that is one for the process", breaks: [.uniqueSymbol, .export, .writableData]
    )
    .with {
      $0.cxx = """
        template <int N> struct S { static int count; };
        template <int N> int S<N>::count = N;
        template struct __attribute__((visibility("default"))) S<3>;
        """
      $0.exports = "_Z*;"
      $0.mentions = "_ZN1SILi3EE5countE"
    },
  ]

  private static let identityOffenders = [
    LintFixture("no build-id", breaks: [.buildID]).with {
      $0.without = ["build-id"]
      $0.flags = ["-Wl,--build-id=none"]
    },
    LintFixture("a build-id of two bytes", breaks: [.buildID]).with {
      $0.without = ["build-id"]
      $0.flags = ["-Wl,--build-id=0xabcd"]
      $0.mentions = "2 bytes"
    },
    LintFixture("no note", breaks: [.note]).with { $0.macros = ["NO_NOTE"] },
    LintFixture("two notes", breaks: [.note]).with {
      $0.macros = ["TWO_NOTES"]
      $0.mentions = "2 notes"
    },
    LintFixture("another version in the note", breaks: [.descriptor]).with {
      $0.macros = ["NOTE_MINOR=5"]
      $0.mentions = "note"
    },
    LintFixture("an ABI of the future", breaks: [.note, .descriptor]).with {
      $0.macros = ["ABI=2"]
      $0.mentions = "ABI version 2"
    },
    LintFixture("a name that is a path", breaks: [.note, .descriptor]).with {
      $0.macros = ["NAME=\"../x\""]
      $0.mentions = "name"
    },
    LintFixture("a name that ends in a dot", breaks: [.note, .descriptor]).with {
      $0.macros = ["NAME=\"x.\""]
      $0.mentions = "name"
    },
    LintFixture("more states than there can be", breaks: [.note, .descriptor]).with {
      $0.macros = ["STATES=5"]
      $0.mentions = "states"
    },
    LintFixture("a function in place of the descriptor", breaks: [.descriptor]).with {
      $0.macros = ["NO_DESCRIPTOR"]
      $0.mentions = "hitless_module"
    },
    LintFixture("a descriptor that says it is longer", breaks: [.descriptor]).with {
      $0.macros = ["SIZE=4096"]
      $0.mentions = "4096"
    },
    LintFixture("a table beyond the descriptor", breaks: [.descriptor]).with {
      $0.macros = ["TABLE_OFFSET=152"]
      $0.mentions = "table"
    },
  ]
}
