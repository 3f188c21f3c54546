/// Records of the host that modules read and write, and how a worker finds one while it changes its layout.
///
/// A table holds records of one schema. A candidate may want another schema: then each record is moved by
/// the candidate's `migrate`, when it is first needed or by the agent, while batches go on. Until that is
/// over a record lies in one place at a time, and the place says which version serves it. The calls below
/// never wait. docs/concurrency.md argues the orders; docs/abi.md says what a host has to do.
#ifndef HITLESS_STATE_H
#define HITLESS_STATE_H

#include <stdint.h>

#include "hitless/status.h"
#include "hitless/worker.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Largest record in bytes.
#define HITLESS_RECORD_MAX 4096u
/// How many records one batch of a worker may use; the same one twice counts twice.
#define HITLESS_CLAIMS_MAX 512u
/// How many schemas one table may have had or get.
#define HITLESS_SCHEMAS_MAX 16u
/// Tables of one host.
#define HITLESS_TABLES_MAX 16u

/// Where a record lies, and so which version may touch it.
enum {
  /// In stable's schema; where all records lie while none is on its way.
  HITLESS_RECORD_OLD = 0,
  /// In the candidate's schema.
  HITLESS_RECORD_NEW = 1,
  /// Back in stable's schema, in memory of its own, after a rollback.
  HITLESS_RECORD_BACK = 2,
  /// Not to be had by this batch: there is no such record, the batch has used `HITLESS_CLAIMS_MAX`, or
  /// another worker that shares the record has it with a version that this batch may not run.
  HITLESS_RECORD_NOWHERE = 3
};

/// What happens to the records of a table.
enum {
  /// Nothing: all of them lie in the first area.
  HITLESS_STATE_SETTLED = 0,
  /// They go over to the candidate as they are needed by its flows.
  HITLESS_STATE_FORWARD = 1,
  /// All have gone over, and the candidate becomes stable.
  HITLESS_STATE_FINISHING = 2,
  /// They go back.
  HITLESS_STATE_BACK = 3
};

/// Memory with one record after another.
struct hitless_state_area {
  void *records;
  uint32_t schema;
  uint32_t record_size;
};

/// What has happened to the records of a table since its migration began; all workers share it, and write
/// to it only when they move a record.
struct hitless_state_progress {
  /// Records that were moved to the candidate's schema, and back from it.
  uint64_t moved_forward;
  uint64_t moved_back;
  /// Records whose way back has failed: they are as they were before the candidate had them.
  uint64_t kept;
  /// Calls of the hook that have failed on the way forward.
  uint64_t failures;
  /// Not 0 as long as no record goes forward: 1 after a failure, for good; 2 by the agent's order.
  uint32_t is_halted;
  /// 0: no failure yet; 1: being written down; 2: the rest is valid.
  uint32_t failed;
  uint64_t failed_record;
  /// What the hook has returned, or 0 where it has not.
  int32_t failed_status;
  /// The signal that has ended the hook, or 0.
  int32_t failed_signal;
  /// Where that was.
  uint64_t failed_instruction;
};

struct hitless_state_table;

/// Finds a record that may be on its way; the agent's, see `hitless_state_use`.
typedef uint32_t (*hitless_state_settle)(struct hitless_worker *worker, const struct hitless_view *view,
                                         const struct hitless_state_table *table, uint64_t record,
                                         uint32_t is_candidates);

/// One table, as one view has it; immutable like the view.
struct hitless_state_table {
  uint32_t size;
  /// One of `HITLESS_STATE_…`.
  int32_t phase;
  /// Records in each area.
  uint64_t count;
  /// By `HITLESS_RECORD_…`; while settled only the first.
  struct hitless_state_area areas[3];
  /// A mark for each record; null while settled.
  uint32_t *marks;
  struct hitless_state_progress *progress;
  hitless_state_settle settle;
  /// The candidate's hook, and the generation it belongs to.
  int32_t (*migrate)(const void *old_record, uint32_t old_schema, void *new_record, uint32_t new_schema);
  const struct hitless_generation *generation;
  uint64_t reserved[2];
};

/// The tables of a view, in the order of their definition.
struct hitless_states {
  uint32_t size;
  uint32_t count;
  const struct hitless_state_table *tables;
};

/// The records that a worker's batch uses; the worker's own.
struct hitless_claims {
  uint32_t count;
  uint32_t reserved;
  uint32_t *marks[HITLESS_CLAIMS_MAX];
};

/// One table of the host. Schemas belong to one table each.
struct hitless_state_options {
  uint32_t size;
  uint32_t schema_count;
  /// Every schema that the host can give room to; its first generation uses one of them, or the first.
  const struct hitless_state_schema *schemas;
  /// How many records there are; their numbers begin with 0.
  uint64_t count;
  const char *name;
  /// Where the records lie at first: room for `count` of any of the schemas, for as long as the agent lives.
  /// Null: the agent's own memory, zeroed.
  void *records;
};

struct hitless_agent;

/// Defines a table, before the start; its number, from 0, is what `hitless_state_use` takes.
hitless_status hitless_state_define(struct hitless_agent *agent, const struct hitless_state_options *options,
                                    uint32_t *table);
/// Fills a record with zeros, in whatever schema it is: for a host that gives its number to something new.
///
/// No worker may be using the record.
hitless_status hitless_state_clear(struct hitless_agent *agent, uint32_t table, uint64_t record);

/// Gives back what this worker's batch has used: call it after the last output was applied.
///
/// Ordering: release; pairs with the acquire of whoever moves the record next, and keeps what this batch has
/// written to it before.
static inline void hitless_state_end(struct hitless_worker *worker) {
  struct hitless_claims *claims = worker->claims;
  if (claims == 0) {
    return;
  }
  for (uint32_t index = 0; index < claims->count; index++) {
    (void)__atomic_fetch_sub(claims->marks[index], 256u, __ATOMIC_RELEASE);
  }
  claims->count = 0;
}

/// Gives back what a run of this batch has used that was left in the middle: call it where a run begins.
static inline void hitless_state_begin(struct hitless_worker *worker) { hitless_state_end(worker); }

/// Whether records of the table may lie in more than one place in this view.
static inline int hitless_state_is_moving(const struct hitless_view *view, uint32_t table) {
  return view->states->tables[table].phase != HITLESS_STATE_SETTLED;
}

/// Returns where record number `record` lies until `hitless_state_end`, as `HITLESS_RECORD_…`.
///
/// `is_candidates` is not 0 when the packet's flow is the candidate's by `hitless_partition` or
/// `hitless_split`. It decides when a record goes over; who serves it is decided by where it lies:
/// `hitless_state_generation`. Once a batch has used a record it gets the same answer for it again.
/// Never waits. While no record is on its way this is a load and a branch.
static inline uint32_t hitless_state_use(struct hitless_worker *worker, const struct hitless_view *view,
                                         uint32_t table, uint64_t record, uint32_t is_candidates) {
  const struct hitless_state_table *state = &view->states->tables[table];
  if (__builtin_expect(state->phase == HITLESS_STATE_SETTLED, 1)) {
    return record < state->count ? (uint32_t)HITLESS_RECORD_OLD : (uint32_t)HITLESS_RECORD_NOWHERE;
  }
  return state->settle(worker, view, state, record, is_candidates);
}

/// Returns the records that lie at `place`, one of the first three of `HITLESS_RECORD_…`.
static inline const struct hitless_state_area *hitless_state_area_at(const struct hitless_view *view,
                                                                     uint32_t table, uint32_t place) {
  return &view->states->tables[table].areas[place];
}

/// Returns the generation that serves records at `place`, while records are moving.
static inline const struct hitless_generation *hitless_state_generation(const struct hitless_view *view,
                                                                        uint32_t place) {
  return place == HITLESS_RECORD_NEW && view->candidate != 0 ? view->candidate : view->stable;
}

#ifdef __cplusplus
}
#endif

#endif
