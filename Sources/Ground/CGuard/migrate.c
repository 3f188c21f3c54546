// Moves records of the host between the schemas of stable and of a candidate, while both are being used.
//
// A record's mark says where it lies, who is moving it and how many batches are using it. Who wants to move
// it claims it by one compare-and-exchange, which fails while anybody uses it. Who wants to use it while it
// is being moved uses it where it still is, and leaves a trace by which the mover finds that its work was for
// nothing. So nobody waits for anybody, and no two versions ever use a record at the same moment.
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "guard.h"
#include "hitless/state.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define FORGET_STACK(begin, end) __asan_unpoison_memory_region((void *)(begin), (end) - (begin))
#endif
#endif
#ifndef FORGET_STACK
#define FORGET_STACK(begin, end) ((void)(begin), (void)(end))
#endif

// A mark: where the record lies (HITLESS_RECORD_…), who is moving it away from there, whether it was used
// there meanwhile, and by how many batches it is used.
#define PLACE 3u
#define CLAIM 12u
#define CLAIM_OF_SWEEP 4u
#define CLAIM_OF_WORKER 8u
#define TOUCHED 16u
#define USER 256u

struct hook_call {
  const struct hitless_state_table *table;
  const void *from;
  void *to;
  uint32_t from_schema;
  uint32_t to_schema;
};

/// How a call of the hook has ended.
struct outcome {
  int32_t status;
  int32_t signal;
  uint64_t instruction;
};

static int32_t call_hook(const struct hitless_view *view, void *call) {
  (void)view;
  const struct hook_call *hook = call;
  return hook->table->migrate(hook->from, hook->from_schema, hook->to, hook->to_schema);
}

#if IS_GUARDED_MACHINE
/// Calls the hook so that a fault in it, or a loop, ends that call only; may be in the middle of a guarded
/// batch, whose context is put aside for as long.
///
/// Every call has a number of its own in `guarded`, like every batch: the watchdog's signal for one is none
/// for the other.
static int32_t call_guarded(struct hitless_guard *guard, struct hook_call *call, struct outcome *outcome) {
  struct hitless_worker *worker = guard->worker;
  const struct hitless_view view = {.size = sizeof view, .candidate = call->table->generation};
  const struct hitless_view *outer_view = guard->view;
  struct hitless_guard *outer = hitless_guard_current;
  struct hitless_guard_context context = guard->context;
  uint32_t was_reporting = guard->is_reporting;
  uint64_t mark = worker->guarded;
  uint64_t inner = mark + 2 - (mark + 1) % 2;
  guard->view = &view;
  hitless_guard_current = guard;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  __atomic_store_n(&worker->guarded, inner, __ATOMIC_RELAXED);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  int32_t status = hitless_guard_call(&guard->context, call_hook, &view, call);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  // Odd again if a batch is under way, even if not.
  __atomic_store_n(&worker->guarded, inner + 1 + mark % 2, __ATOMIC_RELAXED);
  if (guard->caught != 0) {
    if (guard->fault_stack < guard->context.stack) {
      FORGET_STACK(guard->fault_stack - 128, guard->context.stack);
    }
    // The report is this call's, not a batch's: it goes no further.
    if (guard->is_reporting) {
      outcome->signal = guard->report.signal;
      outcome->instruction = guard->report.instruction;
    } else {
      outcome->signal = -1;
    }
    guard->is_reporting = was_reporting;
    guard->caught = 0;
    status = 0;
  }
  guard->context = context;
  guard->view = outer_view;
  hitless_guard_current = outer;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  return status;
}
#endif

/// Calls the hook for one record; returns whether it has succeeded. `to` is the caller's own memory.
static int convert(struct hitless_guard *guard, const struct hitless_state_table *table, uint32_t from,
                   uint32_t to, uint64_t record, void *result, struct outcome *outcome) {
  const struct hitless_state_area *source = &table->areas[from], *target = &table->areas[to];
  struct hook_call call = {
      .table = table,
      .from = (const char *)source->records + record * source->record_size,
      .to = result,
      .from_schema = source->schema,
      .to_schema = target->schema,
  };
  memset(result, 0, target->record_size);
  *outcome = (struct outcome){0};
#if IS_GUARDED_MACHINE
  // A guard whose thread is in another's batch cannot be used.
  if (guard != 0 && guard->is_catching && (hitless_guard_current == 0 || hitless_guard_current == guard)) {
    outcome->status = call_guarded(guard, &call, outcome);
    return outcome->status == 0 && outcome->signal == 0;
  }
#endif
  outcome->status = call_hook(0, &call);
  return outcome->status == 0;
}

/// Writes the first failure on the way forward down, for the agent.
///
/// Ordering: who gets the word from 0 to 1 writes alone; the release pairs with the agent's acquire.
static void note_failure(struct hitless_guard *guard, struct hitless_state_progress *progress,
                         uint64_t record, const struct outcome *outcome) {
  __atomic_fetch_add(&progress->failures, 1, __ATOMIC_RELAXED);
  __atomic_store_n(&progress->is_halted, 1, __ATOMIC_RELAXED);
  uint32_t none = 0;
  if (__atomic_compare_exchange_n(&progress->failed, &none, 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    progress->failed_record = record;
    progress->failed_status = outcome->status;
    progress->failed_signal = outcome->signal;
    progress->failed_instruction = outcome->instruction;
    __atomic_store_n(&progress->failed, 2, __ATOMIC_RELEASE);
  }
  if (guard != 0 && guard->wake >= 0) {
    uint64_t one = 1;
    ssize_t written = write(guard->wake, &one, sizeof one);
    (void)written;
  }
}

static void *place_of(const struct hitless_state_table *table, uint32_t place, uint64_t record) {
  return (char *)table->areas[place].records + record * table->areas[place].record_size;
}

/// Whether nobody has written to the record yet, which is then the same in every schema: zeros.
static int is_fresh(const void *record, uint32_t size) {
  static const unsigned char zeros[HITLESS_RECORD_MAX];
  return memcmp(record, zeros, size) == 0;
}

/// Takes a claim back whose record was used meanwhile, unless a worker that cannot wait has it by now.
static void give_up(uint32_t *mark, uint32_t claim) {
  uint32_t now = __atomic_load_n(mark, __ATOMIC_RELAXED);
  while ((now & CLAIM) == claim && !__atomic_compare_exchange_n(mark, &now, now & ~(CLAIM | TOUCHED), 1,
                                                                __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
  }
}

/// Whether nobody has used a record since the caller claimed it: then what was read of it meanwhile is whole.
///
/// Ordering: release; pairs with the acquire of whoever uses the record next. What the caller has read of it
/// comes before what is written to it then.
static int is_undisturbed(uint32_t *mark, uint32_t claimed) {
  uint32_t expected = claimed;
  return __atomic_compare_exchange_n(mark, &expected, claimed, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/// Moves a record that the caller has claimed from `from`; returns the mark that was put in force, 0xff when
/// the record was touched meanwhile and stays where it is.
///
/// `add` is what the mark gets when the caller uses the record from then on. Ordering: the release at the end
/// pairs with the acquire of whoever uses the record next; what it finds there is all of it.
static uint32_t move(struct hitless_guard *guard, const struct hitless_state_table *table, uint32_t from,
                     uint32_t to, uint64_t record, uint32_t claim, uint32_t add) {
  _Alignas(64) unsigned char result[HITLESS_RECORD_MAX];
  struct outcome outcome;
  struct hitless_state_progress *progress = table->progress;
  uint32_t *mark = &table->marks[record];
  int is_forward = to == HITLESS_RECORD_NEW;
  // Of a table with room for many, most records may never have been used: those are not for the hook, and no
  // memory is touched for them.
  uint32_t size = table->areas[to].record_size;
  void *target = place_of(table, to, record);
  int is_unused = is_fresh(place_of(table, from, record), table->areas[from].record_size);
  int is_moved = is_unused || convert(guard, table, from, to, record, result, &outcome);
  uint32_t place = to;
  // What a record falls back to whose hook fails later on is written over only with what is whole.
  if (to == HITLESS_RECORD_OLD && !is_undisturbed(mark, from | claim)) {
    give_up(mark, claim);
    return 0xff;
  }
  if (is_unused && !is_fresh(target, size)) {
    memset(target, 0, size);
  } else if (!is_unused && is_moved) {
    memcpy(target, result, size);
  } else if (!is_moved) {
    // Forward: nothing has happened. Back: as it was before the candidate had it.
    place = HITLESS_RECORD_OLD;
  }
  uint32_t expected = from | claim;
  if (!__atomic_compare_exchange_n(mark, &expected, place + add, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
    give_up(mark, claim);
    // What the hook has said of it does not count either: it may have seen half of what was being written.
    return 0xff;
  }
  if (!is_moved && is_forward) {
    note_failure(guard, progress, record, &outcome);
  }
  uint64_t *counter = is_moved ? (is_forward ? &progress->moved_forward : &progress->moved_back)
                               : (is_forward ? 0 : &progress->kept);
  if (counter != 0) {
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
  }
  return place;
}

/// What a batch may do with a record that lies at some place.
enum wish { STAY, MAY_MOVE, MUST_MOVE };

static enum wish wish(const struct hitless_view *view, const struct hitless_state_table *table,
                      uint32_t place, uint32_t is_candidates) {
  int has_candidate = view->candidate != 0;
  if (place == HITLESS_RECORD_NEW) {
    if (table->phase == HITLESS_STATE_FINISHING || (table->phase == HITLESS_STATE_FORWARD && has_candidate)) {
      return STAY;
    }
    return has_candidate ? MAY_MOVE : MUST_MOVE;
  }
  if (place == HITLESS_RECORD_OLD && table->phase == HITLESS_STATE_FORWARD) {
    // Relaxed: one record more that goes forward comes back.
    int may = is_candidates != 0 && has_candidate &&
              __atomic_load_n(&table->progress->is_halted, __ATOMIC_RELAXED) == 0;
    return may ? MAY_MOVE : STAY;
  }
  return table->phase == HITLESS_STATE_FINISHING ? MUST_MOVE : STAY;
}

uint32_t hitless_state_find(struct hitless_worker *worker, const struct hitless_view *view,
                            const struct hitless_state_table *table, uint64_t record,
                            uint32_t is_candidates) {
  struct hitless_claims *claims = worker->claims;
  if (claims == 0 || claims->count >= HITLESS_CLAIMS_MAX || record >= table->count) {
    return HITLESS_RECORD_NOWHERE;
  }
  uint32_t *mark = &table->marks[record];
  uint32_t now = __atomic_load_n(mark, __ATOMIC_RELAXED);
  for (;;) {
    uint32_t place = now & PLACE;
    enum wish next = wish(view, table, place, is_candidates);
    int is_unused = now < USER;
    // A record that the agent is moving back is taken out of its hands by who cannot use it where it is: the
    // agent writes to memory of its own (HITLESS_RECORD_BACK), so nobody minds when it finds out.
    int is_stolen = next == MUST_MOVE && place == HITLESS_RECORD_NEW && (now & CLAIM) == CLAIM_OF_SWEEP;
    if (next != STAY && is_unused && ((now & CLAIM) == 0 || is_stolen)) {
      // A batch that is late is not ended while it holds a claim, which nobody would give back.
      uint64_t paused = hitless_pause_guard(worker);
      if (!__atomic_compare_exchange_n(mark, &now, place | CLAIM_OF_WORKER, 1, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED)) {
        hitless_resume_guard(worker, paused);
        continue;
      }
      uint32_t to = place == HITLESS_RECORD_OLD ? HITLESS_RECORD_NEW : HITLESS_RECORD_OLD;
      uint32_t found = move(worker->guard, table, place, to, record, CLAIM_OF_WORKER, USER);
      hitless_resume_guard(worker, paused);
      if (found <= HITLESS_RECORD_BACK) {
        claims->marks[claims->count++] = mark;
        return next == MUST_MOVE && found == place ? HITLESS_RECORD_NOWHERE : found;
      }
      now = __atomic_load_n(mark, __ATOMIC_RELAXED);
      continue;
    }
    if (next == MUST_MOVE) {
      return HITLESS_RECORD_NOWHERE;
    }
    uint32_t used = (now + USER) | ((now & CLAIM) != 0 ? TOUCHED : 0);
    // Acquire: pairs with the release of who has moved the record here, or used it before.
    if (__atomic_compare_exchange_n(mark, &now, used, 1, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
      claims->marks[claims->count++] = mark;
      return place;
    }
  }
}

/// Claims a record that nobody uses at `place`; returns whether that worked.
static int claim_for_sweep(uint32_t *mark, uint32_t place) {
  uint32_t expected = place;
  return __atomic_compare_exchange_n(mark, &expected, place | CLAIM_OF_SWEEP, 0, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED);
}

/// Copies a record from where it came back to into the area that all are to lie in.
static void settle_back(const struct hitless_state_table *table, uint64_t record) {
  uint32_t *mark = &table->marks[record];
  if (!claim_for_sweep(mark, HITLESS_RECORD_BACK)) {
    return;
  }
  memcpy(place_of(table, HITLESS_RECORD_OLD, record), place_of(table, HITLESS_RECORD_BACK, record),
         table->areas[HITLESS_RECORD_OLD].record_size);
  uint32_t expected = HITLESS_RECORD_BACK | CLAIM_OF_SWEEP;
  if (!__atomic_compare_exchange_n(mark, &expected, HITLESS_RECORD_OLD, 0, __ATOMIC_ACQ_REL,
                                   __ATOMIC_RELAXED)) {
    give_up(mark, CLAIM_OF_SWEEP);
  }
}

uint64_t hitless_state_sweep(struct hitless_guard *guard, const struct hitless_state_table *table,
                             uint64_t first, uint64_t count, uint32_t goal) {
  uint64_t missing = 0;
  uint64_t end = first + count < table->count ? first + count : table->count;
  for (uint64_t record = first; record < end; record++) {
    uint32_t *mark = &table->marks[record];
    // Relaxed: only a look; the claim acquires.
    uint32_t place = __atomic_load_n(mark, __ATOMIC_RELAXED) & PLACE;
    if (place == goal) {
      missing += goal == HITLESS_RECORD_NEW && (__atomic_load_n(mark, __ATOMIC_RELAXED) & CLAIM) != 0;
      continue;
    }
    if (goal == HITLESS_RECORD_NEW) {
      if (__atomic_load_n(&table->progress->is_halted, __ATOMIC_RELAXED) != 0) {
        return missing + (end - record);
      }
      if (place == HITLESS_RECORD_OLD && claim_for_sweep(mark, place)) {
        move(guard, table, place, HITLESS_RECORD_NEW, record, CLAIM_OF_SWEEP, 0);
      }
    } else {
      if (place == HITLESS_RECORD_NEW && claim_for_sweep(mark, place)) {
        move(guard, table, place, HITLESS_RECORD_BACK, record, CLAIM_OF_SWEEP, 0);
      }
      settle_back(table, record);
    }
    missing += (__atomic_load_n(mark, __ATOMIC_RELAXED) & PLACE) != goal;
  }
  return missing;
}

uint64_t hitless_state_count(const struct hitless_state_table *table, uint32_t place) {
  uint64_t missing = 0;
  for (uint64_t record = 0; record < table->count; record++) {
    // Acquire: pairs with the release of who has moved it.
    uint32_t now = __atomic_load_n(&table->marks[record], __ATOMIC_ACQUIRE);
    missing += (now & (PLACE | CLAIM)) != place;
  }
  return missing;
}

void hitless_state_zero(const struct hitless_state_table *table, uint64_t record) {
  if (record >= table->count) {
    return;
  }
  if (table->marks == 0) {
    memset(place_of(table, HITLESS_RECORD_OLD, record), 0, table->areas[HITLESS_RECORD_OLD].record_size);
    return;
  }
  // As a batch would use it, so that nobody moves it meanwhile; whoever is at it has it touched.
  uint32_t *mark = &table->marks[record];
  uint32_t now = __atomic_load_n(mark, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(mark, &now, (now + USER) | ((now & CLAIM) != 0 ? TOUCHED : 0), 1,
                                      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
  }
  uint32_t place = now & PLACE;
  memset(place_of(table, place, record), 0, table->areas[place].record_size);
  if (place == HITLESS_RECORD_NEW) {
    // What it falls back to must not be its predecessor's.
    memset(place_of(table, HITLESS_RECORD_OLD, record), 0, table->areas[HITLESS_RECORD_OLD].record_size);
  }
  __atomic_fetch_sub(mark, USER, __ATOMIC_RELEASE);
}
