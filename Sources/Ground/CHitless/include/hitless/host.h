/// What a host calls: the agent's control calls and the workers' inline packet-path calls.
///
/// Control calls are exported by libhitless_agent.so, may block, and may be made from any thread but a
/// worker's packet path. Packet-path calls are inline, never block, never allocate, and are made by the
/// worker they name. docs/concurrency.md argues the orders named here.
#ifndef HITLESS_HOST_H
#define HITLESS_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "hitless/module.h"
#include "hitless/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Value of `hitless_worker.seen` while the worker touches no view.
#define HITLESS_SEEN_IDLE UINT64_MAX
/// Value of `hitless_view.share` and `turns` when every flow or batch is the candidate's.
#define HITLESS_SHARE_ALL 65536u
/// Cache lines that a worker fetches ahead per batch, while a view announces some.
#define HITLESS_LINES_PER_BATCH 4u

/// Identity of one mapped module, as a host may want to count by it.
struct hitless_module_info {
  uint32_t size;
  /// Small and dense: the n-th distinct image that was staged since the host started, from 0.
  uint32_t ordinal;
  /// Bytes of `build_id` in use.
  uint32_t build_id_size;
  uint8_t build_id[32];
  struct hitless_module_facts facts;
  /// Where the module's code lies.
  uint64_t code_address;
  uint64_t code_size;
};

/// An immutable set of modules, one per slot: what a worker uses for one whole batch.
struct hitless_generation {
  uint32_t size;
  uint32_t slot_count;
  /// Rises with every generation the agent makes; never reused.
  uint64_t number;
  /// Function table of each slot.
  const void *const *tables;
  /// Identity of each slot's module.
  const struct hitless_module_info *const *modules;
};

/// Whether a candidate may be used at this moment. All workers share the line; it is only written to when
/// something fails, and while it is half-open.
struct hitless_breaker {
  /// `HITLESS_BREAKER_…`, each a bit.
  uint64_t word;
  /// While half-open: batches that may still be run on the candidate.
  int64_t tokens;
  /// While half-open: batches that were, and came to their end.
  uint64_t successes;
  uint64_t reserved[5];
};

/// Bits of `hitless_breaker.word`; without any, every batch may.
enum {
  /// No batch may.
  HITLESS_BREAKER_OPEN = 1,
  /// As many batches may as there are tokens.
  HITLESS_BREAKER_HALF_OPEN = 2
};

/// An immutable record that a worker's one word points to: a cache line for every batch, and one that only
/// `hitless_run_batch` reads, while there is a candidate.
struct hitless_view {
  uint32_t size;
  /// Flows of 65 536 that are the candidate's, for `hitless_partition`.
  uint32_t share;
  /// One higher than any view before it.
  uint64_t sequence;
  /// What a batch uses that is not split by flow.
  const struct hitless_generation *serving;
  /// The generation to fall back to.
  const struct hitless_generation *stable;
  /// The generation under guard, because it is on trial or always; null when there is none.
  const struct hitless_generation *candidate;
  /// CLOCK_MONOTONIC nanoseconds after which the candidate is not used any more; 0 is never. Kept by
  /// `hitless_run_batch`, without the agent's help, to a tick of the kernel's clock (up to 10 ms late).
  uint64_t deadline;
  /// Addresses of the code and tables that a later view will use; null when none is announced.
  const void *const *lines;
  uint64_t line_count;
  /// Batches of 65 536 that are the candidate's on this worker; the others are stable's as a whole. Unless it
  /// is all of them, `share` is 0 and `serving` stable: only `hitless_run_batch` takes turns.
  uint32_t turns;
  uint32_t reserved0;
  /// Null where nothing holds the candidate back.
  struct hitless_breaker *breaker;
  uint64_t reserved1[6];
};

/// One batch's work: calls tables of `view`, applies what they put out, returns 0 or the host's code.
///
/// Commit point: until the tables have returned, packet bytes, sessions and counters are as they were;
/// what modules do are outputs that the function applies last. A batch is run again on another view
/// if it did not reach that point: the function is then left in the middle, like by `longjmp`, so up to
/// the commit point it holds no lock, no allocation and nothing that a destructor would have to end.
typedef int32_t (*hitless_pipeline)(const struct hitless_view *view, void *batch);

struct hitless_worker;
struct hitless_health;

/// How a worker runs a batch while there is a candidate; the agent's, see `hitless_run_batch`.
typedef int32_t (*hitless_guarded_run)(struct hitless_worker *worker, const struct hitless_view *view,
                                       hitless_pipeline pipeline, void *batch);

/// One data-plane thread; the agent allocates it on cache lines of its own.
///
/// Three lines, because each has one writer: what never changes, what the agent writes, what the
/// worker writes.
struct hitless_worker {
  uint32_t size;
  uint32_t index;
  /// Null where nothing is guarded.
  hitless_guarded_run run_guarded;
  /// What `run_guarded` needs.
  void *guard;
  /// What the worker counts and measures for the comparison of candidate and stable (hitless/health.h);
  /// null: nothing.
  struct hitless_health *health;
  uint64_t reserved0[4];
  /// Written by the agent only.
  const struct hitless_view *view;
  uint64_t reserved1[7];
  /// Written by the worker only: sequence of the last view it loaded, `HITLESS_SEEN_IDLE` while idle.
  uint64_t seen;
  /// Written by the worker only: sequence of the last view whose announced lines it has all fetched.
  uint64_t ready;
  /// The worker's own: the view whose lines it fetches, and how many of them it has asked for.
  uint64_t fetching;
  uint64_t fetched;
  /// Written by the worker only: odd from the beginning of a guarded batch to its commit point, another
  /// number for each batch.
  uint64_t guarded;
  /// The worker's own: not 0 while it runs a batch whose times are measured.
  uint64_t sampling;
  uint64_t reserved2[2];
};

/// Fetches the next few of the lines that `view` announces; `hitless_enter` calls it when there are any.
///
/// Only a hint to the processor: nothing is read, so nothing can fault. A few lines per batch, so that no
/// batch waits for memory; without them the first batch through new code would wait for all of them.
/// It goes round until another view comes, so that what was fetched first is not evicted meanwhile.
///
/// Ordering: relaxed; who reads `ready` publishes a little earlier or later, and nothing else.
static inline void hitless_fetch_ahead(struct hitless_worker *worker,
                                       const struct hitless_view *view) {
  uint64_t next = worker->fetching == view->sequence ? worker->fetched : 0;
  for (uint32_t left = HITLESS_LINES_PER_BATCH; left > 0 && next < view->line_count; left--) {
    __builtin_prefetch(view->lines[next++], 0, 2);
  }
  if (next == view->line_count) {
    __atomic_store_n(&worker->ready, view->sequence, __ATOMIC_RELAXED);
    next = 0;
  }
  worker->fetching = view->sequence;
  worker->fetched = next;
}

/// Returns the view for the next batch; call once per batch and keep nothing of the one before.
///
/// Ordering: the acquire load pairs with the agent's publishing store, so that whoever reads the new
/// word also reads the view, the generation and the tables behind it. The release store says "every
/// view before this one is behind me": it pairs with the agent's acquire load of `seen`, and keeps this
/// worker's last reads of older views before it. Echoing the sequence that was *loaded* matters: a tick
/// stored before the load would promise a view that the worker does not have yet, and the agent would
/// retire the one it has.
static inline const struct hitless_view *hitless_enter(struct hitless_worker *worker) {
  const struct hitless_view *view = __atomic_load_n(&worker->view, __ATOMIC_ACQUIRE);
  __atomic_store_n(&worker->seen, view->sequence, __ATOMIC_RELEASE);
  if (__builtin_expect(view->line_count != 0, 0)) {
    hitless_fetch_ahead(worker, view);
  }
  return view;
}

/// Returns the function table that fills `slot` for a batch that is not split by flow.
static inline const void *hitless_table(const struct hitless_view *view, uint32_t slot) {
  return view->serving->tables[slot];
}

/// Returns the function table that fills `slot` in one generation of the view, after a partition.
static inline const void *hitless_generation_table(const struct hitless_generation *generation,
                                                   uint32_t slot) {
  return generation->tables[slot];
}

/// Splits a batch once by flow: stable's part first, then the candidate's, each in arrival order.
///
/// `hashes[i]` must depend on nothing but packet i's flow, the same in both directions where both
/// matter; `order` receives `count` indices. Returns how many of them are stable's. A growing share
/// only ever moves flows from stable to the candidate. Complexity: two passes over `count`.
static inline uint32_t hitless_partition(const struct hitless_view *view, const uint32_t *hashes,
                                         uint32_t count, uint16_t *order) {
  uint32_t share = view->candidate == 0 ? 0 : view->share;
  uint32_t stable = 0;
  for (uint32_t index = 0; index < count; index++) {
    if ((hashes[index] & 0xffffu) >= share) {
      order[stable++] = (uint16_t)index;
    }
  }
  uint32_t next = stable;
  for (uint32_t index = 0; index < count; index++) {
    if ((hashes[index] & 0xffffu) < share) {
      order[next++] = (uint16_t)index;
    }
  }
  return stable;
}

/// Runs one batch; while there is a candidate, under a guard.
///
/// When code of the candidate faults, overflows the stack or is over the time budget, this worker is back
/// on the stable generation at once, and the batch is run once more, on that. After the view's deadline
/// batches are run on stable without a fault. What comes back is what the last run returned.
/// docs/operations.md says what is caught and what is not.
///
/// Costs a load and a branch more than `hitless_enter` while there is no candidate.
static inline int32_t hitless_run_batch(struct hitless_worker *worker, hitless_pipeline pipeline,
                                        void *batch) {
  const struct hitless_view *view = hitless_enter(worker);
  if (__builtin_expect(view->candidate != 0, 0) && worker->run_guarded != 0) {
    return worker->run_guarded(worker, view, pipeline, batch);
  }
  return pipeline(view, batch);
}

/// Says that the batch has reached its commit point: from here to the end of the pipeline function, it is not
/// run again, whatever happens.
///
/// Call it after the last table has returned and before the first output is applied. Without the call
/// a fault is still told from the host's own by where it happened; with it there is no doubt.
///
/// Ordering: relaxed, between two fences for the compiler. The only reader that decides by it is a signal
/// handler of this thread; the agent's watchdog reads it too, and asks that handler.
static inline void hitless_commit(struct hitless_worker *worker) {
  uint64_t mark = worker->guarded;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  __atomic_store_n(&worker->guarded, mark + (mark & 1), __ATOMIC_RELAXED);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/// Says that the worker uses no view until `hitless_resume`: call before blocking.
///
/// Ordering: release; pairs with the agent's load of `seen` and keeps the worker's last reads of any
/// view before it.
static inline void hitless_idle(struct hitless_worker *worker) {
  __atomic_store_n(&worker->seen, HITLESS_SEEN_IDLE, __ATOMIC_RELEASE);
}

/// Ends `hitless_idle`.
///
/// Ordering: sequentially consistent, twice. The agent stores the word and then loads `seen`; the worker
/// stores `seen` and then loads the word. Without one total order both could miss each other: the agent
/// would still see an idle worker, and the worker still an old view.
static inline void hitless_resume(struct hitless_worker *worker) {
  __atomic_store_n(&worker->seen, (uint64_t)0, __ATOMIC_SEQ_CST);
  (void)__atomic_load_n(&worker->view, __ATOMIC_SEQ_CST);
}

/// The agent; opaque.
struct hitless_agent;

/// How to open an agent. Zero and null mean the default that is named.
struct hitless_agent_options {
  uint32_t size;
  uint32_t abi_version;
  /// Where the confirmed set lives; required, must belong to this user and be writable by nobody else.
  const char *state_directory;
  /// Path of the control socket; null: none.
  const char *control_socket;
  /// PEM files of the release keys.
  const char *const *trust_keys;
  uint32_t trust_key_count;
  /// How many distinct keys must have signed; 0: 1.
  uint32_t trust_threshold;
  /// Product that patches must name; null: any.
  const char *product;
  /// The selftest helper; null: beside this library or this program.
  const char *probe;
  /// Imports that modules may have beyond the built-in list.
  const char *const *allowed_imports;
  uint32_t allowed_import_count;
  /// Name of this instance in logs; null: the program's.
  const char *instance;
  /// How long a grace period may last before the worker is named; 0: one second.
  uint64_t grace_timeout_ns;
  /// Roll back when nobody confirms within this time; 0: never.
  uint64_t confirm_timeout_ns;
  /// Sequence numbers at or below this are refused even if the state directory was lost.
  uint64_t sequence_floor;
  /// Receives one line per event; null: none. Called from the agent's threads.
  void (*log)(void *context, int32_t level, const char *message);
  void *log_context;
  /// Processors that the agent's own threads keep to; null: those of the thread that opens or starts it.
  const uint32_t *agent_processors;
  uint32_t agent_processor_count;
  /// Nice value of the agent's own threads, up to 19; 0: that of the thread that opens or starts it.
  int32_t agent_nice;
  /// How long the selftest helper may take with one module; 0: ten seconds.
  uint64_t probe_timeout_ns;
  /// Processor time that a guarded batch may take; 0: ten milliseconds.
  uint64_t batch_budget_ns;
  /// One of `HITLESS_GUARD_…`.
  int32_t guard_mode;
  /// Signal by which a worker learns that its batch is over the budget; 0: `SIGRTMAX - 2`.
  int32_t guard_signal;
  /// A start within this time of the confirmation, or of the start before it, follows an early end of the
  /// host; 0: two minutes, `HITLESS_NEVER`: no end is early.
  uint64_t early_end_window_ns;
  /// After so many early ends in a row the set before the confirmed one is started; 0: 2.
  uint64_t early_end_limit;
  /// How long a patch that has failed waits for its next activation the first time, and then twice as
  /// long each time; 0: half a minute.
  uint64_t breaker_wait_ns;
  /// How long it waits at most; 0: an hour.
  uint64_t breaker_longest_wait_ns;
  /// Batches that are let through at first when it is tried again; 0: 1024.
  uint64_t breaker_batches;
  /// Batches without a failure after which it gets all of them; 0: half of `breaker_batches`.
  uint64_t breaker_successes;
  /// After so many failures it is refused until an operator releases it; 0: 3, `HITLESS_NEVER`: never.
  uint64_t breaker_openings;
  /// One of `HITLESS_BREAKER_MODE_…`.
  int32_t breaker_mode;
  /// So many loads in a row that fail stop the agent from taking patches; 0: 3, `UINT32_MAX`: none does.
  uint32_t load_failures_in_a_row;
  /// Of twenty loads or more, so many of a hundred that fail are too many; 0: 5, 100: no share is.
  uint32_t load_failure_percent;
  uint32_t reserved;
  /// Time for one comparison of every live module with what it was when it was loaded; 0: a minute,
  /// `HITLESS_NEVER`: they are not compared.
  uint64_t golden_interval_ns;
};

/// Where 0 stands for a default, what stands for "never".
#define HITLESS_NEVER UINT64_MAX

/// What a circuit breaker does about failures.
enum {
  /// A patch that has failed waits before it may be activated again.
  HITLESS_BREAKER_MODE_ON = 0,
  /// Failures are counted, and nothing else.
  HITLESS_BREAKER_MODE_METRICS_ONLY = 1
};

/// When `hitless_run_batch` guards a batch.
enum {
  /// While a candidate is on trial.
  HITLESS_GUARD_TRIAL = 0,
  /// Never; only a view's deadline is kept.
  HITLESS_GUARD_OFF = 1,
  /// After it was confirmed too: a fault then leads back to what was stable before.
  HITLESS_GUARD_ALWAYS = 2
};

/// One extension point of the host.
struct hitless_slot_options {
  uint32_t size;
  uint32_t interface_id;
  uint32_t interface_version;
  /// The smallest table that serves.
  uint32_t table_size;
  const char *name;
  /// File of the module that fills the slot when nothing else was confirmed.
  const char *module;
  /// Handed to the module's `attach`.
  void *control;
};

/// What a signal is.
enum {
  /// Errors by packet: more is worse, fewer is better.
  HITLESS_SIGNAL_ERRORS = 1,
  /// Drops by packet: more is worse, and far fewer mean that something is not enforced any more.
  HITLESS_SIGNAL_DROPS = 2,
  /// A value now and then, such as the depth of a queue: larger is worse.
  HITLESS_SIGNAL_GAUGE = 3
};

/// What a canary is made of.
enum {
  /// Workers: the first ones that are registered have the candidate for all they do.
  HITLESS_CANARY_WORKERS = 0,
  /// Batches of every worker.
  HITLESS_CANARY_BATCHES = 1,
  /// Flows, by `hitless_partition` or `hitless_split`; a flow never goes back before a rollback.
  HITLESS_CANARY_FLOWS = 2
};

/// How a candidate is put in force. Zero and null mean the default that is named.
struct hitless_activation {
  uint32_t size;
  /// One of `HITLESS_CANARY_…`.
  int32_t canary;
  /// Shares of 65 536, ascending, the last one `HITLESS_SHARE_ALL`; null: all at once, after a step in which
  /// only stable is watched.
  const uint32_t *steps;
  uint32_t step_count;
  /// With `HITLESS_CANARY_WORKERS`: how many workers the step before those has; 0: there is none.
  uint32_t first_workers;
  /// How long a step lasts at least; 0: thirty seconds.
  uint64_t dwell_ns;
  /// When it is rolled back if nobody has confirmed; 0: `confirm_timeout_ns` of the agent, or ten minutes.
  uint64_t confirm_within_ns;
  /// 1: confirmed without being asked when the last step has ended well; 0: somebody confirms.
  uint32_t auto_confirm;
  uint32_t reserved;
  /// What health is judged by; 0: the defaults of docs/operations.md, section 7.
  uint64_t minimum_packets;
  uint64_t minimum_samples;
  uint64_t deviations_milli;
  uint64_t rate_permille;
  uint64_t rate_floor_micro;
  uint64_t median_permille;
  uint64_t tail_permille;
  uint64_t time_floor_ns;
  uint64_t cold_floor_ns;
  uint64_t gauge_floor;
};

/// Where a transaction stands.
enum {
  HITLESS_TRANSACTION_NONE = 0,
  HITLESS_TRANSACTION_STAGED = 1,
  HITLESS_TRANSACTION_ACTIVE = 2,
  HITLESS_TRANSACTION_CONFIRMED = 3,
  HITLESS_TRANSACTION_ROLLED_BACK = 4
};

/// What the agent is doing, at one moment.
struct hitless_agent_status {
  uint32_t size;
  uint32_t slot_count;
  uint32_t worker_count;
  /// One of `HITLESS_TRANSACTION_…`.
  int32_t transaction_state;
  uint64_t transaction;
  uint64_t stable_generation;
  /// 0 when there is none.
  uint64_t candidate_generation;
  uint64_t activations;
  uint64_t confirmations;
  uint64_t rollbacks;
  uint64_t refusals;
  /// Publishing stores of the last swap, first to last, in nanoseconds.
  uint64_t last_publish_ns;
  /// From the first publishing store of the last swap to the end of its grace period.
  uint64_t last_grace_ns;
  /// Generations that are still mapped because a worker has not passed them in time.
  uint64_t overdue_generations;
  /// Faults of candidates from which workers came back to stable.
  uint64_t faults;
};

/// One line of what happened.
struct hitless_event {
  uint32_t size;
  /// 0, or the error class of a refusal.
  hitless_status status;
  /// Rises by one with every event.
  uint64_t number;
  /// CLOCK_REALTIME nanoseconds.
  uint64_t time_ns;
  uint64_t transaction;
  /// Verb in the past tense, as in the audit log: "staged", "activated", "refused", …
  char kind[32];
  /// A sentence.
  char detail[256];
};

/// Opens the agent: reads keys and the confirmed set, starts nothing that workers could notice.
hitless_status hitless_agent_open(const struct hitless_agent_options *options,
                                  struct hitless_agent **agent);
/// Names one slot; its index, from 0 in the order of definition, is what `hitless_table` takes.
hitless_status hitless_slot_define(struct hitless_agent *agent,
                                   const struct hitless_slot_options *options, uint32_t *slot);
/// Names a signal, before the start; its number, from 1, is what `hitless_signal_add` takes.
///
/// `kind` is one of `HITLESS_SIGNAL_…`. Signal 0, the packets that the others are measured against, need not
/// be defined.
hitless_status hitless_signal_define(struct hitless_agent *agent, const char *name, int32_t kind,
                                     uint32_t *signal);
/// Stages the modules of all slots and makes the first generation; then opens the control socket.
hitless_status hitless_agent_start(struct hitless_agent *agent);
/// Stops the agent's threads. Workers must be unregistered; mapped modules stay mapped.
hitless_status hitless_agent_close(struct hitless_agent *agent);

/// Registers the calling worker; from here on every grace period waits for it unless it is idle.
///
/// Call it on the thread that runs the batches: when that thread has ended, without unregistering, the agent
/// takes the worker for ended, names it in an event, and holds what it has used no longer.
hitless_status hitless_worker_register(struct hitless_agent *agent, const char *name,
                                       struct hitless_worker **worker);
/// Ends the worker; it may touch no view afterwards.
hitless_status hitless_worker_unregister(struct hitless_agent *agent,
                                         struct hitless_worker *worker);

/// Verifies and stages the patch in `bytes`; `transaction` names it from here on.
hitless_status hitless_patch_install(struct hitless_agent *agent, const void *bytes, size_t count,
                                     uint64_t *transaction);
/// Puts the staged candidate in force for every worker.
hitless_status hitless_patch_activate(struct hitless_agent *agent, uint64_t transaction);
/// Puts it in force step by step, and goes on or back by its health; null: as `hitless_patch_activate`.
hitless_status hitless_patch_rollout(struct hitless_agent *agent, uint64_t transaction,
                                     const struct hitless_activation *activation);
/// Makes the active candidate stable, for this and the next start.
hitless_status hitless_patch_confirm(struct hitless_agent *agent, uint64_t transaction);
/// Returns every worker to stable.
hitless_status hitless_patch_rollback(struct hitless_agent *agent, uint64_t transaction);

/// Puts all traffic on stable at once, rolls back what is on trial, and lets no patch in until
/// `hitless_agent_release`, after a restart too. `reason` may be null.
hitless_status hitless_agent_freeze(struct hitless_agent *agent, const char *reason);
/// With null: lets patches in again. With eight hexadecimal digits or more of a patch's identity: forgets
/// what that patch has done.
hitless_status hitless_agent_release(struct hitless_agent *agent, const char *patch);

/// Copies all figures in Prometheus' text format, NUL-terminated, as far as `capacity` goes; returns the full
/// length without the NUL, 0 when there is no agent. The next call may have more to say.
size_t hitless_metrics_read(struct hitless_agent *agent, char *buffer, size_t capacity);

/// Fills `status`, whose `size` the caller has set.
hitless_status hitless_agent_status_read(struct hitless_agent *agent,
                                         struct hitless_agent_status *status);
/// Waits up to `timeout_ns` for the event after number `after`; HITLESS_STATUS_STATE when none came.
hitless_status hitless_event_next(struct hitless_agent *agent, uint64_t after, uint64_t timeout_ns,
                                  struct hitless_event *event);
/// Copies the last refusal of this thread as JSON, NUL-terminated; returns its full length.
size_t hitless_error_read(char *buffer, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
