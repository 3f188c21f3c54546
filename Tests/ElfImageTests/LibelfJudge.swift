import CElf
import Testing

/// What libelf says about a file.
struct LibelfJudge {
  var segments: [GElf_Phdr] = []
  var sections: [(name: String, type: UInt32, offset: UInt64, size: UInt64, address: UInt64)] = []
  var symbols: [(name: String, value: UInt64, size: UInt64, info: UInt8, section: UInt16)] = []
  var dynamic: [(tag: UInt64, value: UInt64)] = []
  var notes: [(owner: String, type: UInt32, description: [UInt8])] = []
  var header = GElf_Ehdr()

  init(_ file: [UInt8]) throws {
    _ = elf_version(UInt32(EV_CURRENT))
    var bytes = file
    try unsafe bytes.withUnsafeMutableBytes { buffer in
      let base = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
      let elf = try unsafe #require(elf_memory(base, buffer.count))
      defer { _ = unsafe elf_end(elf) }
      try #require(unsafe gelf_getehdr(elf, &header) != nil)
      try unsafe readSections(elf)
      try unsafe readSegments(elf)
    }
  }

  private mutating func readSegments(_ elf: OpaquePointer) throws {
    var count = 0
    try #require(unsafe elf_getphdrnum(elf, &count) == 0)
    for index in 0..<count {
      var raw = GElf_Phdr()
      try #require(unsafe gelf_getphdr(elf, Int32(index), &raw) != nil)
      segments.append(raw)
      if raw.p_type == PT_NOTE { try unsafe readNotes(elf, raw) }
    }
  }

  private mutating func readNotes(_ elf: OpaquePointer, _ segment: GElf_Phdr) throws {
    let type = segment.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR
    let data = try unsafe #require(
      elf_getdata_rawchunk(elf, Int64(segment.p_offset), Int(segment.p_filesz), type))
    var offset = 0
    var note = GElf_Nhdr()
    var (name, description) = (0, 0)
    while true {
      let next = unsafe gelf_getnote(data, offset, &note, &name, &description)
      if next == 0 { return }
      offset = next
      let bytes = unsafe UnsafeRawBufferPointer(
        start: data.pointee.d_buf, count: data.pointee.d_size)
      let owner = unsafe bytes[name..<name + Int(note.n_namesz)].prefix { $0 != 0 }
      notes.append(
        (
          unsafe String(decoding: owner, as: UTF8.self), note.n_type,
          unsafe Array(bytes[description..<description + Int(note.n_descsz)])
        ))
    }
  }

  private mutating func readSections(_ elf: OpaquePointer) throws {
    var names = 0
    try #require(unsafe elf_getshdrstrndx(elf, &names) == 0)
    var section: OpaquePointer?
    while let next = unsafe elf_nextscn(elf, section) {
      unsafe section = next
      var raw = GElf_Shdr()
      try #require(unsafe gelf_getshdr(next, &raw) != nil)
      let name = try unsafe #require(elf_strptr(elf, names, Int(raw.sh_name)))
      sections.append(
        (unsafe String(cString: name), raw.sh_type, raw.sh_offset, raw.sh_size, raw.sh_addr))
      if raw.sh_type == SHT_DYNSYM { try unsafe readSymbols(elf, next, raw) }
      if raw.sh_type == SHT_DYNAMIC { try unsafe readDynamic(next, raw) }
    }
  }

  private mutating func readSymbols(
    _ elf: OpaquePointer, _ section: OpaquePointer, _ header: GElf_Shdr
  ) throws {
    let data = try unsafe #require(elf_getdata(section, nil))
    for index in 0..<Int32(header.sh_size / header.sh_entsize) {
      var raw = GElf_Sym()
      try #require(unsafe gelf_getsym(data, index, &raw) != nil)
      let name = try unsafe #require(elf_strptr(elf, Int(header.sh_link), Int(raw.st_name)))
      symbols.append(
        (unsafe String(cString: name), raw.st_value, raw.st_size, raw.st_info, raw.st_shndx))
    }
  }

  private mutating func readDynamic(_ section: OpaquePointer, _ header: GElf_Shdr) throws {
    let data = try unsafe #require(elf_getdata(section, nil))
    for index in 0..<Int32(header.sh_size / header.sh_entsize) {
      var raw = GElf_Dyn()
      try #require(unsafe gelf_getdyn(data, index, &raw) != nil)
      if raw.d_tag == 0 { return }
      dynamic.append((UInt64(bitPattern: raw.d_tag), unsafe raw.d_un.d_val))
    }
  }
}
