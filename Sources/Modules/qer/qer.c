/// The `qer` module: gate status and maximum bit rate of QoS enforcement rules (TS 29.244, 5.4.3).
///
/// Per batch it reads the host's rules and buckets and writes verdicts and bucket updates into the
/// batch; nothing else changes before the host's commit point, so a batch can be run again.
#include <stddef.h>
#include <stdint.h>

#include "hitless/module.h"
#include "upf/slots.h"

#define QER_VERSION_MAJOR 1u
#define QER_VERSION_MINOR 0u
#define QER_VERSION_PATCH 0u

/// Nanobits in a bit: bit/s times nanoseconds are nanobits, so that refilling never rounds.
#define NANOBITS_PER_BIT 1000000000ull
#define BITS_PER_BYTE 8ull
/// An entry of the update index that points nowhere; real entries are below `UPF_BATCH_MAX`.
#define NO_UPDATE 0xffu

/// Returns `count` bytes in nanobits, or the largest number when that is too small for them.
static inline uint64_t nanobits(uint32_t count) {
  uint64_t product;
  if (__builtin_mul_overflow((uint64_t)count, BITS_PER_BYTE * NANOBITS_PER_BIT, &product)) {
    return UINT64_MAX;
  }
  return product;
}

/// Returns whether the rule's gate stops packets of `direction`.
static inline int gate_is_closed(const struct upf_qer *qer, uint32_t direction) {
  return direction == UPF_UPLINK && qer->gate[UPF_UPLINK] != UPF_GATE_OPEN;
}

/// Returns the most tokens that a bucket with a burst of `count` bytes holds.
static inline uint64_t bucket_capacity(uint32_t count) {
  return (uint64_t)count * NANOBITS_PER_BIT;
}

/// Returns `bucket` as it is at `now`: what `rate` has earned since, up to the capacity.
///
/// Several workers may serve one bucket with clock readings that are not in order: time never goes
/// back, or the same interval would be earned twice.
static inline struct upf_bucket refilled(struct upf_bucket bucket, uint64_t rate,
                                         uint64_t capacity, uint64_t now) {
  uint64_t elapsed = now > bucket.time ? now - bucket.time : 0;
  uint64_t earned;
  uint64_t tokens;
  if (bucket.time == 0 || __builtin_mul_overflow(elapsed, rate, &earned) ||
      __builtin_add_overflow(bucket.tokens, earned, &tokens) || tokens > capacity) {
    tokens = capacity;
  }
  return (struct upf_bucket){.tokens = tokens, .time = bucket.time + elapsed};
}

/// Returns the batch's one update of `bucket`, starting it from the host's record at first touch.
///
/// The index is open addressing with at least half of its entries free, so that the search ends.
static inline struct upf_bucket_update *update_of(const struct upf_qer_tables *tables,
                                                  struct upf_batch *batch,
                                                  const struct upf_qer *qer, uint32_t direction,
                                                  uint32_t bucket) {
  uint32_t place = bucket & (UPF_UPDATE_INDEX_SIZE - 1);
  while (batch->update_index[place] != NO_UPDATE) {
    struct upf_bucket_update *update = &batch->updates[batch->update_index[place]];
    if (update->bucket == bucket) {
      return update;
    }
    place = (place + 1) & (UPF_UPDATE_INDEX_SIZE - 1);
  }
  struct upf_bucket_update *update = &batch->updates[batch->update_count];
  batch->update_index[place] = (uint8_t)batch->update_count++;
  update->bucket = bucket;
  update->reserved = 0;
  update->value = refilled(tables->buckets[bucket], qer->mbr[direction],
                           bucket_capacity(qer->burst[direction]), batch->now);
  return update;
}

/// Returns why a packet of `length` bytes goes no further, or `UPF_DROP_NONE`.
static inline uint16_t enforce(const struct upf_qer_tables *tables, struct upf_batch *batch,
                               uint32_t rule, uint32_t direction, uint32_t length) {
  const struct upf_qer *qer = &tables->qers[rule];
  if (gate_is_closed(qer, direction)) {
    return UPF_DROP_GATE_CLOSED;
  }
  if (qer->mbr[direction] == 0) {
    return UPF_DROP_NONE;
  }
  struct upf_bucket_update *update = update_of(tables, batch, qer, direction, 2 * rule + direction);
  uint64_t cost = nanobits(length);
  if (cost > update->value.tokens) {
    return UPF_DROP_MBR_EXCEEDED;
  }
  update->value.tokens -= cost;
  return UPF_DROP_NONE;
}

/// Asks for the rules and buckets of a whole batch before the first is needed: with many sessions each
/// is a cache miss, and this way they overlap.
static inline void prefetch(const struct upf_qer_tables *tables, const struct upf_batch *batch) {
  for (uint32_t index = 0; index < batch->count; index++) {
    uint32_t rule = batch->verdicts[index].qer;
    if (rule < tables->qer_count) {
      __builtin_prefetch(&tables->qers[rule]);
      __builtin_prefetch(&tables->buckets[2 * (size_t)rule], 0);
    }
  }
}

/// Enforces the rules of one batch.
///
/// A packet that is already dropped is left alone. One that names a rule the host does not have is
/// stopped as by a closed gate: a rule that cannot be found must not mean no enforcement.
HITLESS_PATCHABLE static void process(const struct upf_qer_tables *tables,
                                      struct upf_batch *batch) {
  prefetch(tables, batch);
  batch->update_count = 0;
  for (uint32_t place = 0; place < UPF_UPDATE_INDEX_SIZE; place++) {
    batch->update_index[place] = NO_UPDATE;
  }
  for (uint32_t index = 0; index < batch->count; index++) {
    struct upf_verdict *verdict = &batch->verdicts[index];
    if (verdict->drop != UPF_DROP_NONE) {
      continue;
    }
    verdict->qer_mark = (uint16_t)(QER_VERSION_MINOR << 8 | QER_VERSION_PATCH);
    if (verdict->qer == UPF_NONE) {
      continue;
    }
    const struct upf_packet *packet = &batch->packets[index];
    verdict->drop = verdict->qer < tables->qer_count
                        ? enforce(tables, batch, verdict->qer, packet->direction & 1u,
                                  packet->length)
                        : UPF_DROP_GATE_CLOSED;
  }
}

/// Known answers: an open rule, a closed one, a bucket with exactly one packet left, a missing rule.
static int32_t selftest(const struct hitless_host_services *services,
                        const struct hitless_selftest_vectors *vectors) {
  (void)services;
  if (vectors != NULL && vectors->count != 0) {
    return 1;  // Version 1 of the interface defines none, so whoever hands some in expects more.
  }
  const struct upf_qer qers[3] = {
      {.gate = {UPF_GATE_OPEN, UPF_GATE_OPEN}},
      {.gate = {UPF_GATE_CLOSED, UPF_GATE_CLOSED}},
      {.mbr = {8000, 8000}, .burst = {100000, 100000}},
  };
  const struct upf_bucket buckets[6] = {[4] = {.tokens = nanobits(100), .time = 5}};
  const struct upf_qer_tables tables = {sizeof tables, 3, qers, buckets};
  const struct upf_packet packet = {.length = 100, .direction = UPF_UPLINK, .ip_version = 4};
  const struct upf_packet packets[6] = {packet, packet, packet, packet, packet, packet};
  struct upf_verdict verdicts[6] = {{.qer = 0},        {.qer = 1}, {.qer = 2}, {.qer = 2},
                                    {.qer = UPF_NONE}, {.qer = 3}};
  static const uint16_t expected[6] = {UPF_DROP_NONE,         UPF_DROP_GATE_CLOSED,
                                       UPF_DROP_NONE,         UPF_DROP_MBR_EXCEEDED,
                                       UPF_DROP_NONE,         UPF_DROP_GATE_CLOSED};
  struct upf_bucket_update updates[UPF_BATCH_MAX];
  struct upf_batch batch = {.size = sizeof batch, .count = 6, .now = 5, .packets = packets,
                            .verdicts = verdicts, .updates = updates};
  process(&tables, &batch);
  for (uint32_t index = 0; index < 6; index++) {
    if (verdicts[index].drop != expected[index]) {
      return 2;
    }
  }
  int exact = batch.update_count == 1 && updates[0].bucket == 4 && updates[0].value.tokens == 0;
  return exact ? 0 : 3;
}

static const struct upf_qer_table table = {
    .size = sizeof table,
    .version = UPF_INTERFACE_VERSION,
    .process = process,
};

#define QER_FACTS                                                                              \
  {                                                                                            \
    .abi_version = HITLESS_ABI_VERSION, .interface_id = UPF_INTERFACE_QER,                     \
    .interface_version = UPF_INTERFACE_VERSION, .version_major = QER_VERSION_MAJOR,            \
    .version_minor = QER_VERSION_MINOR, .version_patch = QER_VERSION_PATCH,                    \
    .table_size = sizeof(struct upf_qer_table), .state_count = 2,                              \
    .states = {{UPF_SCHEMA_QER, sizeof(struct upf_qer)},                                       \
               {UPF_SCHEMA_BUCKET, sizeof(struct upf_bucket)}},                                \
    .name = "qer"                                                                              \
  }

HITLESS_NOTE static const struct hitless_module_note note = {
    .name_size = sizeof note.owner,
    .facts_size = sizeof note.facts,
    .type = HITLESS_NOTE_TYPE,
    .owner = "Hitless",
    .facts = QER_FACTS,
};

HITLESS_EXPORT const struct hitless_module hitless_module = {
    .size = sizeof hitless_module,
    .abi_version = HITLESS_ABI_VERSION,
    .facts = QER_FACTS,
    .table = &table,
    .selftest = selftest,
};
