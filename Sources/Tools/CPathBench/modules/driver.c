// The driver: receives a batch, has the stages run, applies what they put out. -DNAME="…" -DNUMBER=15
// -DBUILD=1.
#include "stages.h"

// What an input does: a packet lies in its buffer, and its tunnel is whichever the peer chose.
static __attribute__((noinline)) void receive(struct path_state *state) {
  struct path_batch *batch = &state->batch;
  uint64_t first = state->received;
  for (uint32_t i = 0; i < PATH_BATCH; i++) {
    uint8_t *packet = state->ring + (first + i) % PATH_RING * PATH_BUFFER;
    write32(packet + IPV4 + UDP + 4, state->arrivals[(first + i) & state->arrival_mask]);
    batch->packets[i] = packet;
  }
  batch->now = first * 16;
  state->received = first + PATH_BATCH;
}

// The commit point: until here, packets, buckets and counters were as they had been.
static __attribute__((noinline)) void commit(struct path_state *state) {
  struct path_batch *batch = &state->batch;
  uint64_t forwarded = 0;
  for (uint32_t i = 0; i < batch->update_count; i++) {
    state->buckets[batch->update_session[i]] = batch->update[i];
  }
  for (uint32_t i = 0; i < PATH_BATCH; i++) {
    if (batch->drop[i]) {
      state->dropped[batch->drop[i]]++;
      continue;
    }
    struct path_usage *usage = &state->usage[batch->charged[i]];
    usage->packets++;
    usage->bytes += batch->length[i];
    memcpy(batch->packets[i] + batch->offset[i] - PATH_OUTER, batch->header[i], PATH_OUTER);
    forwarded++;
  }
  uint32_t build = batch->mark[0];
  for (uint32_t i = 1; i < PATH_STAGES; i++) {
    build = batch->mark[i] == build ? build : 0;
  }
  state->mixed += build == 0;
  state->forwarded[build == 2] += forwarded;
}

static void run_inlined(struct path_state *state, uint64_t batches) {
  const struct path_tables *tables = &state->tables;
  struct path_batch *batch = &state->batch;
  for (uint64_t left = batches; left > 0; left--) {
    receive(state);
    decapsulate_all(tables, batch, BUILD);
    look_up_all(tables, batch, BUILD);
    enforce_all(tables, batch, BUILD);
    charge_all(tables, batch, BUILD);
    encapsulate_all(tables, batch, BUILD);
    commit(state);
  }
}

static void run_fused(struct path_state *state, uint64_t batches) {
  const struct path_tables *tables = &state->tables;
  struct path_batch *batch = &state->batch;
  for (uint64_t left = batches; left > 0; left--) {
    receive(state);
    begin_enforcing(batch);
    for (uint32_t i = 0; i < PATH_BATCH; i++) {
      decapsulate(batch, i);
      look_up(tables, batch, i);
      enforce(tables, batch, i);
      charge(batch, i);
      encapsulate(tables, batch, i);
    }
    for (uint32_t i = 0; i < PATH_STAGES; i++) {
      batch->mark[i] = BUILD;
    }
    commit(state);
  }
}

static void run_slots(struct path_state *state, struct hitless_worker *worker, uint64_t batches) {
  for (uint64_t left = batches; left > 0; left--) {
    receive(state);
    const struct hitless_view *view = hitless_enter(worker);
    for (uint32_t slot = 0; slot < PATH_STAGES; slot++) {
      const struct path_stage_table *stage = hitless_table(view, slot);
      stage->process(&state->tables, &state->batch);
    }
    commit(state);
  }
}

static void run_pointers(struct path_state *state, const struct path_stage_table *const *stages,
                         uint64_t batches) {
  for (uint64_t left = batches; left > 0; left--) {
    receive(state);
    for (uint32_t slot = 0; slot < PATH_STAGES; slot++) {
      // Each is looked up when it is called, as a patched function's entry is.
      const struct path_stage_table *stage = __atomic_load_n(&stages[slot], __ATOMIC_RELAXED);
      stage->process(&state->tables, &state->batch);
    }
    commit(state);
  }
}

static int32_t run_stages(const struct hitless_view *view, void *context) {
  struct path_state *state = context;
  for (uint32_t slot = 0; slot < PATH_STAGES; slot++) {
    const struct path_stage_table *stage = hitless_table(view, slot);
    stage->process(&state->tables, &state->batch);
  }
  hitless_commit(state->worker);
  commit(state);
  return 0;
}

static void run_batches(struct path_state *state, struct hitless_worker *worker, uint64_t batches) {
  state->worker = worker;
  for (uint64_t left = batches; left > 0; left--) {
    receive(state);
    hitless_run_batch(worker, run_stages, state);
  }
}

static const struct path_driver_table table = {.size = sizeof(struct path_driver_table),
                                               .version = 1,
                                               .run_inlined = run_inlined,
                                               .run_fused = run_fused,
                                               .run_slots = run_slots,
                                               .run_batches = run_batches,
                                               .run_pointers = run_pointers};

#define TABLE table
#include "descriptor.h"
