/// The packet path that `tools/bench` measures: GTP-U decapsulation, TEID lookup, QER, URR, encapsulation.
///
/// Only layouts: the harness makes the tables, the stages are in modules/stages.h. Everything belongs to
/// the host; a stage reads packets and tables and writes into the batch, and the host applies that when
/// all stages have returned (the commit point of hitless/host.h).
#ifndef PATH_H
#define PATH_H

#include <stdint.h>

#include "hitless/host.h"

/// Packets in a batch.
#define PATH_BATCH 32u
/// Entries of a batch's bucket index: a power of two, twice the packets.
#define PATH_INDEX 64u
/// Bytes of a packet's buffer.
#define PATH_BUFFER 256u
/// Outer headers on both sides: IPv4, UDP, GTP-U with the PDU session container.
#define PATH_OUTER 44u
/// Packet buffers that are used in turn.
#define PATH_RING 1024u
/// Stages, each a slot.
#define PATH_STAGES 5u
/// Interface of the stages' slots is this number plus the stage's; that of the driver has stage 15.
#define PATH_INTERFACE 0x50415400u
/// "No session."
#define PATH_NONE UINT32_MAX

/// Why a packet goes no further.
enum {
  PATH_DROP_NONE = 0,
  PATH_DROP_MALFORMED = 1,
  PATH_DROP_NO_SESSION = 2,
  PATH_DROP_GATE = 3,
  PATH_DROP_RATE = 4,
  PATH_DROP_KINDS = 5
};

/// One entry of the TEID table; empty when `session` is `PATH_NONE`.
struct path_teid {
  uint32_t teid;
  uint32_t session;
};

/// One session, as the control plane wrote it; a cache line.
struct path_session {
  uint32_t teid;
  uint32_t peer_teid;
  uint32_t peer_address;
  uint32_t own_address;
  /// Maximum bit rate; 0 is unlimited.
  uint64_t rate;
  /// Bytes that the bucket holds.
  uint32_t burst;
  uint8_t gate;
  uint8_t qfi;
  uint16_t reserved;
  uint64_t padding[4];
};

/// One token bucket, in nanobits.
struct path_bucket {
  uint64_t tokens;
  uint64_t time;
};

/// One usage counter.
struct path_usage {
  uint64_t packets;
  uint64_t bytes;
};

/// What the stages look up.
struct path_tables {
  uint32_t session_count;
  /// Entries minus one of the TEID table.
  uint32_t mask;
  const struct path_teid *teids;
  const struct path_session *sessions;
  const struct path_bucket *buckets;
  const struct path_usage *usage;
};

/// One batch on its way: what was received, and what the stages put out.
struct path_batch {
  uint64_t now;
  uint8_t *packets[PATH_BATCH];
  uint32_t teid[PATH_BATCH];
  uint32_t session[PATH_BATCH];
  /// Offset and length of the inner packet.
  uint16_t offset[PATH_BATCH];
  uint16_t length[PATH_BATCH];
  uint8_t drop[PATH_BATCH];
  /// Session whose counters the packet adds to.
  uint32_t charged[PATH_BATCH];
  /// New values of buckets, one per session of the batch.
  uint32_t update_session[PATH_BATCH];
  struct path_bucket update[PATH_BATCH];
  uint32_t update_count;
  uint8_t update_index[PATH_INDEX];
  uint8_t header[PATH_BATCH][PATH_OUTER];
  /// Which build each stage was.
  uint32_t mark[PATH_STAGES];
  /// How the stage that is built to fail does so; 0: not.
  uint32_t fail;
};

/// Values of `path_batch.fail`: the numbers of Tests/GuardTests/Fixtures/failure.h.
enum {
  PATH_FAIL_SEGV = 1,
  PATH_FAIL_BUS = 2,
  PATH_FAIL_FPE = 3,
  PATH_FAIL_ILL = 4,
  PATH_FAIL_TRAP = 5,
  PATH_FAIL_ABORT = 6,
  PATH_FAIL_LOOP = 7,
  PATH_FAIL_OVERFLOW = 8
};

/// Where `path_map_empty_file` maps a file without bytes, the access to which is a SIGBUS.
#define PATH_EMPTY_FILE 0x20000000u

/// Table of every stage's slot.
struct path_stage_table {
  uint32_t size;
  uint32_t build;
  void (*process)(const struct path_tables *tables, struct path_batch *batch);
};

/// Everything that a run reads and changes.
struct path_state {
  struct path_tables tables;
  struct path_bucket *buckets;
  struct path_usage *usage;
  /// `PATH_RING` buffers.
  uint8_t *ring;
  /// TEIDs of arriving packets, in order, wrapping at `arrival_mask`.
  const uint32_t *arrivals;
  uint32_t arrival_mask;
  uint32_t reserved;
  /// Packets received, and what became of them.
  uint64_t received;
  uint64_t forwarded[2];
  uint64_t dropped[PATH_DROP_KINDS];
  /// Batches whose stages were not all of one build.
  uint64_t mixed;
  struct path_batch batch;
  /// Who runs the batches, for the mark of the commit point.
  struct hitless_worker *worker;
};

/// Table of the driver: the same batches through the same stages, called in different ways.
struct path_driver_table {
  uint32_t size;
  uint32_t version;
  /// One function into which the compiler has put all stages.
  void (*run_inlined)(struct path_state *state, uint64_t batches);
  /// The same, packet after packet instead of stage after stage.
  void (*run_fused)(struct path_state *state, uint64_t batches);
  /// Slots 0 to 4 of the worker's view.
  void (*run_slots)(struct path_state *state, struct hitless_worker *worker, uint64_t batches);
  /// The same through `hitless_run_batch`.
  void (*run_batches)(struct path_state *state, struct hitless_worker *worker, uint64_t batches);
  /// The functions of `stages`, which somebody else may change at any moment.
  void (*run_pointers)(struct path_state *state, const struct path_stage_table *const *stages,
                       uint64_t batches);
};

/// Makes the tables of `sessions` sessions and the packets; null without memory.
struct path_state *path_state_create(uint32_t sessions);
/// Puts back everything that a run changes.
void path_state_reset(struct path_state *state);
/// A digest of everything that a run has put out.
uint64_t path_state_digest(const struct path_state *state);
/// Sums of all usage counters.
struct path_usage path_state_usage(const struct path_state *state);
/// Gives the memory back.
void path_state_destroy(struct path_state *state);

/// Where workers wait for each other, so that they fail at the same moment.
struct path_meeting {
  /// How many workers there are.
  uint32_t wanted;
  /// How many have come.
  uint32_t arrived;
};

/// Runs one batch through slots 0 to 4 whose third stage fails as `fail` says, under the guard; returns how
/// many nanoseconds lay between the last moment before and the first on the stable view, 0 if the batch was
/// not run again. Without a meeting there may be batches before it that are stable's.
///
/// All workers that fail together have one `meeting`; null for one alone. For an overflow the stack ends
/// `PATH_STACK` bytes below, or less than a page more.
uint64_t path_fail(struct path_state *state, struct hitless_worker *worker, uint32_t fail,
                   struct path_meeting *meeting);

/// Bytes of stack that an overflow has to fill.
#define PATH_STACK 32768u

/// Maps the empty file; returns 0, or -1.
int path_map_empty_file(void);

/// When one batch began (the end of the one before) and when it ended.
struct path_interval {
  uint64_t begin;
  uint64_t end;
};

/// One view as the worker met it.
struct path_gap {
  /// Sequence of the view that was new.
  uint64_t sequence;
  /// From the end of the batch before to the end of the first batch with the new view.
  struct path_interval time;
};

/// Batches that a watched worker remembers, the newest ones: a power of two.
#define PATH_HISTORY 2048u

/// One worker that is watched while others swap.
struct path_watch {
  struct path_state *state;
  struct hitless_worker *worker;
  const struct path_driver_table *driver;
  /// Room for `gap_capacity` views.
  struct path_gap *gaps;
  uint64_t gap_capacity;
  uint64_t gap_count;
  /// How long batches took: entry i counts those of i times `histogram_step` ns, the last longer ones.
  uint64_t *histogram;
  /// The same for batches that fetched lines ahead.
  uint64_t *fetching;
  uint32_t histogram_size;
  uint32_t histogram_step;
  /// Batch i is at i modulo `PATH_HISTORY`.
  struct path_interval *history;
  /// Set by whoever wants the worker to end.
  uint32_t stop;
  uint32_t reserved;
  /// What others read all the time lies on other lines than what the worker reads.
  uint64_t apart[16];
  /// Batches so far.
  uint64_t batches;
  /// How often the worker's thread was switched out, as of the last look.
  uint64_t switches;
};

/// Runs batches until `path_watch_stop`.
void path_watch_run(struct path_watch *watch);
/// Ends `path_watch_run`.
void path_watch_stop(struct path_watch *watch);
/// Batches so far.
uint64_t path_watch_batches(const struct path_watch *watch);
/// How often the worker was switched out until the last look, at most `PATH_WINDOW` batches ago.
uint64_t path_watch_switches(const struct path_watch *watch);
/// Looks at the worker's own word for so long, like a thread that waits for a grace period.
void path_watch_look(const struct path_watch *watch, uint64_t time);
/// Waits, without a system call, until the worker has passed so many more batches, for a second at most.
void path_watch_pass(const struct path_watch *watch, uint64_t batches);
/// Finds the batches around a time: the one in which `time` lies, or else the first after it, and the one
/// after that. Returns 0, or -1 when they have not ended or are not remembered any more.
///
/// Any thread; the worker goes on meanwhile.
int path_watch_around(const struct path_watch *watch, uint64_t time, struct path_interval batches[2]);

/// Batches between two looks at the thread's context switches: a system call, so not after each.
#define PATH_WINDOW 32u

/// Decisions in one sample of `path_decisions`.
#define PATH_DECISIONS 32u

/// Fills `samples` with the nanoseconds of `PATH_DECISIONS` calls of `decide` each, of which all must be
/// `answer`, and `empty` with those of nothing between two looks at the clock, in turn. Returns how many
/// were not.
uint64_t path_decisions(int (*decide)(struct hitless_breaker *), struct hitless_breaker *breaker, int answer,
                        uint64_t *samples, uint64_t *empty, uint64_t count);

/// Interrupts that one processor has taken since the start, of all kinds; `descriptor` is an open
/// /proc/interrupts. UINT64_MAX when it cannot be read.
uint64_t path_interrupts(int descriptor, uint32_t processor);
/// Hundredths of seconds that the hypervisor took from one processor since the start (proc(5), steal);
/// UINT64_MAX when it is not told.
uint64_t path_stolen(uint32_t processor);

#endif
