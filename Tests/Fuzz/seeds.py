#!/usr/bin/env python3
"""Makes the inputs that the fuzzers start from: small real libraries and the deltas between them.

    Tests/Fuzz/seeds.py HITLESS DIR
    Tests/Fuzz/seeds.py --pairs DIR     only the pairs themselves: DIR/NAME.old and DIR/NAME.new

Compiles two versions of a few sources for each machine that a compiler here knows (LoongArch64 if
tools/corpus/build-cross-pairs has been run), in several shapes (objects, linked, stripped, without section
headers), encodes the pairs with the program HITLESS, and writes DIR/{blob,encoder,fields,layout}/.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ZIG = ROOT / ".build" / "corpus" / ".zig"
# Bytes of a delta file before the blob (docs/format.md, section 8.16).
FILE_HEADER = 84
# Larger files are left out: most of a fuzzer's changes should matter.
LARGEST = 24 << 10

# Linkers and compilers, as many shapes of files as they make.
COMPILERS = [
    ("x86", ["clang"], []),
    ("x86-gcc", ["gcc"], []),
    ("a64", ["clang", "--target=aarch64-linux-gnu"], ["-nostdlib", "-fuse-ld=lld"]),
    ("rv64", ["clang", "--target=riscv64-linux-gnu", "-march=rv64gc"], ["-nostdlib", "-fuse-ld=lld"]),
    ("la64", [str(ZIG / "bin" / "python"), "-m", "ziglang", "cc", "-target", "loongarch64-linux-gnu"], ["-nostdlib"]),
]


def source(functions, is_fixed):
    """Functions that call each other and use data, tables and strings; a fix adds lines to some."""
    text = "int data[8]; static int hidden[20]; extern int outside(const char *);\n"
    names = ", ".join(f"f{number}" for number in range(functions))
    text += "".join(f"int f{number}(int, int *);\n" for number in range(functions))
    text += f"int (*const table[])(int, int *) = {{{names}}};\n"
    for number in range(functions):
        fix = f"if (x > {number + 100}) data[1] += hidden[x & 15];" if is_fixed and number % 3 == 1 else ""
        text += f"""
            int f{number}(int x, int *p) {{
              {fix}
              switch (x & 7) {{
                case 0: return x + data[{number & 7}];
                case 1: return outside("text {number}{' fixed' if fix else ''}");
                case 2: p[{number}] = x * {number + 3}; break;
                case 3: hidden[{number}] += x; break;
                case 4: return table[x % {functions}](x >> 1, p);
                case 5: return x ^ {number * 1103515245 & 0x7FFFFFFF};
              }}
              return p[2] > {number} ? f{(number * 5 + 1) % functions}(x - 1, p) : x + {number};
            }}
            """
    return text


def without_section_headers(elf):
    """The same file, but e_shoff, e_shnum and e_shstrndx are 0, as some strippers leave them."""
    return elf[:40] + bytes(8) + elf[48:60] + bytes(4) + elf[64:]


def compiled(command, options, text, scratch):
    """What a compiler makes of a source, or None if it cannot."""
    (scratch / "source.c").write_text(text)
    result = scratch / "result"
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(ZIG / "cache"), "ZIG_LOCAL_CACHE_DIR": str(ZIG / "cache")}
    done = subprocess.run([*command, "-w", "-fPIC", *options, "-o", result, "source.c"], cwd=scratch,
                          env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return result.read_bytes() if done.returncode == 0 else None


def pairs(scratch):
    """Yields (name, old, new) of small files that a compiler has made."""
    for name, command, linking in COMPILERS:
        if not shutil.which(command[0]):
            continue
        for shape, functions, options in (
                ("object", 6, ["-O1", "-c"]), ("object-debug", 2, ["-O1", "-g", "-c"]),
                ("shared", 3, ["-O2", "-shared", "-Wl,-s", *linking]),
                ("packed", 5, ["-Os", "-shared", "-Wl,-s", "-Wl,--pack-dyn-relocs=relr", *linking])):
            old, new = (compiled(command, options, source(functions, is_fixed), scratch) for is_fixed in (False, True))
            if old is None or new is None or max(len(old), len(new)) > LARGEST:
                continue
            yield f"{name}-{shape}", old, new
            if shape == "shared":
                yield f"{name}-headless", *map(without_section_headers, (old, new))
    text = "".join(f"line {number} of a text\n" for number in range(40)).encode()
    yield "text", text, text.replace(b"line 7", b"another line")
    # Nothing that the base has: coded by itself, noise and columns included.
    noise = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(20))
    records = b"".join(bytes([number, 0, 1, number * 7 % 11, 90]) for number in range(100))
    yield "plain", b"\x07" * 50, text + noise + records + noise + text[:300]
    blocks = [hashlib.sha256(b"block %d" % number).digest()[:24] for number in range(60)]
    yield "repeats", b"\x07" * 50, b"".join(blocks + [blocks[number * number * 7 % 59] for number in range(200)])
    yield "tiny", b"\x01\x02\x03", b"\x01\x03\x03"


def blob(hitless, old, new, scratch):
    """What the encoder makes of a pair, without the header of a delta file."""
    for side, content in (("old", old), ("new", new)):
        (scratch / side).write_bytes(content)
    subprocess.run([hitless, "delta", "encode", "old", "new", "-o", "delta", "--effort", "quick"], cwd=scratch,
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (scratch / "delta").read_bytes()[FILE_HEADER:]


def joined(first, second):
    """Two parts in one input: the size of the first as two bytes, both parts."""
    return len(first).to_bytes(2, "little") + first + second


def write(hitless, out, scratch):
    count = 0
    for name, old, new in pairs(scratch):
        delta, back = blob(hitless, old, new, scratch), blob(hitless, new, old, scratch)
        for target, kind, content in (
                ("blob", "", joined(delta, old)), ("blob", "-back", joined(back, new)),
                ("encoder", "", joined(new, old)), ("fields", "", old), ("layout", "", new)):
            folder = out / target
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"seed-{name}{kind}").write_bytes(content)
        count += 1
    print(f"{count} pairs of small files")


def write_pairs(out, scratch):
    out.mkdir(parents=True, exist_ok=True)
    for name, old, new in pairs(scratch):
        (out / f"{name}.old").write_bytes(old)
        (out / f"{name}.new").write_bytes(new)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="hitless-seeds-") as scratch:
        if sys.argv[1] == "--pairs":
            return write_pairs(pathlib.Path(sys.argv[2]), pathlib.Path(scratch))
        write(str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2]), pathlib.Path(scratch))


if __name__ == "__main__":
    main()
