/// A table that is made once and stays as long as the process.
///
/// An array is counted each time somebody holds it. Models ask four tables for each bit, and retaining and releasing
/// them was seen to take three of a hundred samples of a decoder. Made only for static constants: nothing gives the memory back.
@safe package struct ConstantTable<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
  private let elements: UnsafePointer<Element>
  /// How many elements there are.
  package let count: Int

  /// Keeps `elements` for good.
  init(_ elements: [Element]) {
    count = elements.count
    let memory = UnsafeMutablePointer<Element>.allocate(capacity: elements.count)
    for (index, element) in elements.enumerated() {
      unsafe (memory + index).initialize(to: element)
    }
    unsafe self.elements = UnsafePointer(memory)
  }

  /// The element at `index`, which must be one of the table.
  @inline(__always)
  package subscript(_ index: Int) -> Element {
    precondition(index >= 0 && index < count)
    return unsafe elements[index]
  }

  /// The element at `index`, of which the caller knows that it is one of the table.
  @inline(__always)
  @unsafe subscript(unchecked index: Int) -> Element { unsafe elements[index] }
}
