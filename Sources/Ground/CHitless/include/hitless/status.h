/// Error classes of Hitless: one table for the library, the agent and the exit code of the
/// command line. Numbers are never reused.
#ifndef HITLESS_STATUS_H
#define HITLESS_STATUS_H

#include <stdint.h>

/// Result of every call that can fail; 0 is success.
typedef int32_t hitless_status;

enum {
  /// The call did what it says.
  HITLESS_OK = 0,
  /// The caller's arguments make no sense (null where it may not be, a struct too small).
  HITLESS_STATUS_USAGE = 2,
  /// Not parseable, or of an illegal structure.
  HITLESS_STATUS_FORMAT = 10,
  /// A declared or actual size or count is over a cap.
  HITLESS_STATUS_LIMIT = 11,
  /// A version or a critical feature that is not known here.
  HITLESS_STATUS_UNSUPPORTED = 12,
  /// No valid signature over these bytes.
  HITLESS_STATUS_SIGNATURE = 20,
  /// Key unknown, revoked, of the wrong role, or threshold not met.
  HITLESS_STATUS_UNTRUSTED_KEY = 21,
  /// The digest of a blob, a base or a result differs.
  HITLESS_STATUS_INTEGRITY = 22,
  /// The sequence number is not newer.
  HITLESS_STATUS_ROLLBACK = 30,
  /// Outside its validity, or the clock is not plausible.
  HITLESS_STATUS_EXPIRED = 31,
  /// Parts of different releases.
  HITLESS_STATUS_MIXED = 32,
  /// Machine, interface, product or instance differs.
  HITLESS_STATUS_NOT_FOR_TARGET = 40,
  /// The mapped module is not the base.
  HITLESS_STATUS_WRONG_BASE = 41,
  /// The result is not a loadable marked module.
  HITLESS_STATUS_BAD_ELF = 42,
  /// A name or a path breaks the rules.
  HITLESS_STATUS_PATH = 43,
  /// Something changed between check and use.
  HITLESS_STATUS_RACE = 50,
  /// Another transaction is under way.
  HITLESS_STATUS_BUSY = 51,
  /// Not legal in this state.
  HITLESS_STATUS_STATE = 52,
  /// No patch is taken until an operator releases the agent.
  HITLESS_STATUS_FROZEN = 53,
  /// No space, or another resource is used up.
  HITLESS_STATUS_NO_SPACE = 60,
  /// Input or output failed.
  HITLESS_STATUS_IO = 61,
  /// Probation failed and the candidate was rolled back.
  HITLESS_STATUS_HEALTH = 70,
  /// The patch has failed a while ago: it may be tried again when the wait is over.
  HITLESS_STATUS_BREAKER_OPEN = 71,
  /// The patch has failed too often: refused until an operator releases it.
  HITLESS_STATUS_QUARANTINED = 72
};

#endif
