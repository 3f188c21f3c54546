import TestSupport

/// What holds at one moment of a life.
struct Standing {
  /// Whether the second patch is confirmed.
  var isNew = false
  /// Whether a candidate is in force that is not confirmed, or only run on copies.
  var isOnTrial = false
  /// Whether an operator keeps patches out, of all modules or of one.
  var isFrozen = false
}

/// One order of a life, and what holds before and after it.
struct Order {
  let words: String
  /// Whether faults are tried in it; where they are not, another life has the same order.
  let isTried: Bool
  let before: Standing
  let after: Standing

  var verb: String { String(words.prefix { $0 != " " }) }

  /// Whether a candidate is on trial in the middle of the order, though not before it.
  var mayBeginTrial: Bool { after.isOnTrial || verb == "misfire" }
}

/// The orders that a host gets one after the other, in which it is killed and lied to.
struct Life {
  /// The lives there are.
  enum Way: String, CaseIterable, Sendable {
    /// A patch by hand: rolled back, activated again, confirmed.
    case byHand
    /// By share of the batches, to the end; by share of the flows, frozen in the second step.
    case batches, flows
    /// First on copies of batches.
    case shadow
    /// Confirmed code is guarded, and faults: what was confirmed is taken back.
    case faulty
    /// A candidate that changes in memory, and confirmed code that does.
    case damagedTrial, damagedStable
    /// A start after two early deaths of the confirmed set.
    case doomed
    /// Records that change their layout, there and back and there, and whose hook faults.
    case migration, misfiring
  }

  let way: Way
  let site: FaultSite
  let orders: [Order]
  /// The state directory that it begins with.
  let base: String

  init(_ way: Way) throws {
    self.way = way
    site = try way.makeSite()
    orders = Self.orders(way, site)
    if way == .doomed {
      base = try site.copy("doomed")
      for words in [Self.plain(site)[..<3] + ["confirm"], ["start"]] {
        try site.live(Array(words), in: base)
      }
    } else {
      base = site.base
    }
  }

  /// The orders of a life by hand as one sees them in short.
  static func plain(_ site: FaultSite) -> [String] {
    [
      "start", "install \(site.patches[1])", "activate", "rollback", "activate", "confirm",
      "freeze", "release", "close",
    ]
  }

  /// An order behind a parenthesis is not tried; the first one lets the program be loaded, which is nobody's order.
  private static func words(_ way: Way, _ site: FaultSite) -> [String] {
    let install = "install \(site.patches.last ?? "")"
    let begin = ["(prepare", "(start", "(\(install)"]
    switch way {
    case .byHand: return ["(prepare", "open", "register"] + plain(site).dropFirst()
    case .batches:
      return begin + ["rollout batches", "step 32768", "step 65536", "finish", "close"]
    case .flows:
      let stepwise = ["rollout flows", "step 32768"]
      return begin + stepwise + ["freeze", "(release"] + stepwise.map { "(\($0)" }
        + ["rollback", "hold alpha", "release", "(close"]
    case .shadow: return begin + ["shadow", "rollback", "(shadow", "compared", "confirm", "(close"]
    case .faulty:
      return ["(prepare", "open", "(register", "(\(install)", "activate", "confirm", "fault"]
        + ["close"]
    case .damagedTrial: return begin + ["(activate", "(damage", "golden", "(close"]
    case .damagedStable:
      return begin + ["(activate", "(confirm", "(damage", "golden", "(close"]
    case .doomed:
      return ["(prepare", "open", "(register", "(\(install)", "(activate", "(confirm", "(close"]
    case .migration:
      return begin + ["(load", "activate", "(load", "rollback", "(load", "(activate", "confirm"]
        + ["(load", "(close"]
    case .misfiring: return begin + ["(load", "misfire", "(load", "close"]
    }
  }

  private static func orders(_ way: Way, _ site: FaultSite) -> [Order] {
    var standing = Standing()
    return words(way, site).map { words in
      let isTried = !words.hasPrefix("(")
      let words = isTried ? words : String(words.drop { $0 == "(" })
      let before = standing
      standing.obey(String(words.prefix { $0 != " " }))
      return Order(words: words, isTried: isTried, before: before, after: standing)
    }
  }

  /// What `result` says of a standing.
  func result(_ standing: Standing) -> String { standing.isNew ? site.new : site.old }
}

extension Life.Way {
  fileprivate func makeSite() throws -> FaultSite {
    switch self {
    case .byHand, .batches, .flows, .shadow, .damagedTrial, .doomed: try FaultSite()
    case .faulty, .damagedStable: try FaultSite(.always)
    case .migration: try FaultSite(.ledger)
    case .misfiring: try FaultSite(.ledger, ["FAULTS", "FORWARD_AT=5"])
    }
  }
}

extension Standing {
  fileprivate mutating func obey(_ verb: String) {
    switch verb {
    case "activate", "rollout", "shadow": isOnTrial = true
    case "rollback", "close": isOnTrial = false
    case "confirm", "finish": (isNew, isOnTrial) = (true, false)
    // What is under guard goes: the candidate, or what was confirmed last.
    case "fault", "golden":
      if !isOnTrial { isNew = false }
      isOnTrial = false
    case "freeze": (isFrozen, isOnTrial) = (true, false)
    case "hold": isFrozen = true
    case "release": isFrozen = false
    default: break
    }
  }
}
