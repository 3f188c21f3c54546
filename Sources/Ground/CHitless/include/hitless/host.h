/// What a host calls: the agent's control calls, and through hitless/worker.h the workers' inline calls.
///
/// Control calls are exported by libhitless_agent.so, may block, and may be made from any thread but a
/// worker's packet path.
#ifndef HITLESS_HOST_H
#define HITLESS_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "hitless/module.h"
#include "hitless/status.h"
#include "hitless/worker.h"

#ifdef __cplusplus
extern "C" {
#endif

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
  /// Roll back when nobody confirms within this time; 0: ten minutes, `HITLESS_NEVER`: no candidate but that
  /// of a rollout.
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
  /// After it was confirmed too, also by an earlier life of the host, and while no other candidate is on
  /// trial: a fault then leads back to what was stable before.
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
  /// At least what all steps take, and with `auto_confirm` an eighth of one more.
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
  /// Batches of 65 536 whose copies are run on both sides first, before any worker has the candidate; 0:
  /// none. Needs `hitless_shadow_define` (hitless/shadow.h).
  uint32_t shadow_share;
  /// 1: as soon as it has equalled stable on copies, the candidate is put in force for everybody at once,
  /// as by `hitless_patch_activate`, and what is said above does not matter; 0: step by step, as is said
  /// above.
  uint32_t shadow_only;
  /// How long that lasts at least; 0: thirty seconds, or no time if `shadow_batches` is given.
  uint64_t shadow_for_ns;
  /// How many batches are compared at least; 0: a hundred. If given, they may take ten minutes.
  uint64_t shadow_batches;
  /// How many divergences are let pass.
  uint64_t shadow_divergences;
  /// Of a patch that migrates records: up to so many are moved as soon as all flows are the candidate's, more
  /// when they are needed; 0: 65 536.
  uint64_t eager_records;
  /// As `rate_floor_micro`, for errors; 0: the default.
  uint64_t error_floor_micro;
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
  /// Copies of batches that were compared since the agent was opened, those that were not although they
  /// should have been, and divergences.
  uint64_t shadow_compared;
  uint64_t shadow_skipped;
  uint64_t shadow_divergences;
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
/// Says what the breaker of one module does about failures, before the start: one of
/// `HITLESS_BREAKER_MODE_…`.
///
/// Modules of which nothing is said have `breaker_mode` of the options.
hitless_status hitless_breaker_define(struct hitless_agent *agent, const char *module, int32_t mode);
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
/// Makes the active candidate stable, for this and the next start. Once more is no error, and does nothing.
hitless_status hitless_patch_confirm(struct hitless_agent *agent, uint64_t transaction);
/// Returns every worker to stable. Once more is no error, and does nothing.
hitless_status hitless_patch_rollback(struct hitless_agent *agent, uint64_t transaction);

/// Puts all traffic on stable at once, rolls back what is on trial, and lets no patch in until
/// `hitless_agent_release`, after a restart too. `reason` may be null.
hitless_status hitless_agent_freeze(struct hitless_agent *agent, const char *reason);
/// The same for patches that change the module in force called `module`; others are taken.
hitless_status hitless_module_freeze(struct hitless_agent *agent, const char *module, const char *reason);
/// Ends what `hitless_module_freeze` has begun.
hitless_status hitless_module_release(struct hitless_agent *agent, const char *module);
/// With null: lets patches in again, of single modules too. With eight hexadecimal digits or more of a
/// patch's identity: forgets what that patch has done.
hitless_status hitless_agent_release(struct hitless_agent *agent, const char *patch);

/// Copies all figures in Prometheus' text format, NUL-terminated, as far as `capacity` goes; returns the full
/// length without the NUL, 0 when there is no agent, or in a child made by fork. The next call may have more
/// to say.
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
