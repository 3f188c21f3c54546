/// Numbers for records that outlive rule tables: handed out once, kept as long as the rule exists.
struct SlotAllocator: Equatable, Sendable {
  private var free: [UInt32] = []
  /// One more than the largest number ever handed out.
  private(set) var end: UInt32 = 0
  private let limit: UInt32

  init(limit: Int) { self.limit = UInt32(clamping: limit) }

  /// Returns an unused number, nil when there is none.
  mutating func allocate() -> UInt32? {
    if let number = free.popLast() { return number }
    guard end < limit else { return nil }
    defer { end += 1 }
    return end
  }

  /// Takes a number back, which nobody may use any more.
  mutating func release(_ number: UInt32) { free.append(number) }
}

/// Which record belongs to which session and rule.
///
/// A value: a reload that is refused half-way has changed nothing.
struct SlotMap: Sendable {
  /// A rule within a session.
  struct RuleKey: Hashable, Sendable {
    let seid: UInt64
    let id: UInt32
  }

  /// One kind of record: numbers by key, and those that the new tables still use.
  struct Kind<Key: Hashable & Sendable>: Sendable {
    private(set) var numbers: [Key: UInt32] = [:]
    private(set) var allocator: SlotAllocator
    private var previous: [Key: UInt32] = [:]

    init(limit: Int) { allocator = SlotAllocator(limit: limit) }

    /// Starts over: what is not asked for again before `unused` is unused.
    mutating func begin(capacity: Int) {
      previous = numbers
      numbers = [:]
      numbers.reserveCapacity(capacity)
    }

    /// The number of `key`, the same as before if it had one; nil when there is no room.
    ///
    /// `isNew` is false when the key was asked for before in these tables.
    mutating func number(for key: Key) -> (number: UInt32, isNew: Bool)? {
      if let known = numbers[key] { return (known, false) }
      guard let number = previous[key] ?? allocator.allocate() else { return nil }
      numbers[key] = number
      return (number, true)
    }

    /// Ends what `begin` began, and returns the records that nothing names any more.
    mutating func unused() -> [(key: Key, number: UInt32)] {
      defer { previous = [:] }
      return previous.compactMap { entry in
        numbers[entry.key] == nil ? (entry.key, entry.value) : nil
      }
    }

    /// Gives a number back once no worker can use it.
    mutating func release(_ number: UInt32) { allocator.release(number) }
  }

  var sessions: Kind<UInt64>
  var qers: Kind<RuleKey>
  var urrs: Kind<RuleKey>

  init(limits: RuleLimits) {
    sessions = Kind(limit: limits.sessions)
    qers = Kind(limit: limits.qers)
    urrs = Kind(limit: limits.urrs)
  }
}
