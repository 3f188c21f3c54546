#include <string.h>

#include "migration_load.h"

static uint64_t next_random(struct load *load) {
  load->seed = load->seed * 6364136223846793005u + 1442695040888963407u;
  return load->seed >> 33;
}

static uint32_t flow_hash(uint64_t number) { return (uint32_t)((number + 1) * 2654435761u >> 8); }

static int is_candidates(const struct hitless_view *view, uint64_t number) {
  uint32_t share = view->candidate == 0 ? 0 : view->share;
  return (flow_hash(number) & 0xffffu) < share;
}

static const struct hitless_generation *generation_of(const struct hitless_view *view, uint32_t place) {
  return hitless_state_is_moving(view, 0) ? hitless_state_generation(view, place) : view->serving;
}

/// Marks a shared record as used by one version, and looks for the other.
static void enter_shared(struct load *load, uint64_t number, uint32_t schema) {
  uint64_t mine = schema == LOAD_SCHEMA_2 ? (uint64_t)1 << 32 : 1;
  uint64_t before = __atomic_fetch_add(&load->bytes[number], mine, __ATOMIC_ACQ_REL);
  uint64_t others = schema == LOAD_SCHEMA_2 ? before & 0xffffffffu : before >> 32;
  load->torn += others != 0;
}

static void leave_shared(struct load *load, uint64_t number, uint32_t schema) {
  uint64_t mine = schema == LOAD_SCHEMA_2 ? (uint64_t)1 << 32 : 1;
  __atomic_fetch_sub(&load->bytes[number], mine, __ATOMIC_ACQ_REL);
}

static void serve(struct load *load, const struct hitless_view *view, uint32_t packet) {
  uint64_t number = load->numbers[packet];
  uint32_t place = hitless_state_use(load->worker, view, 0, number, (uint32_t)is_candidates(view, number));
  load->places[packet] = place;
  load->sides[packet] = 0;
  if (place == HITLESS_RECORD_NOWHERE) {
    return;
  }
  const struct hitless_state_area *area = hitless_state_area_at(view, 0, place);
  const struct hitless_generation *generation = generation_of(view, place);
  const struct load_table *table = hitless_generation_table(generation, 0);
  if (generation->modules[0]->facts.states[0].id != area->schema) {
    load->torn++;
    return;
  }
  const char *record = (const char *)area->records + number * area->record_size;
  table->process(record, number, load->lengths[packet], load->results[packet]);
  if (table->note != 0) {
    uint32_t side = hitless_state_use(load->worker, view, 1, number, 0);
    load->sides[packet] = (struct load_side *)hitless_state_area_at(view, 1, side)->records + number;
    table->note(load->sides[packet], load->lengths[packet], &load->notes[packet]);
  }
}

static int32_t pipeline(const struct hitless_view *view, void *context) {
  struct load *load = context;
  hitless_state_begin(load->worker);
  int is_shared = load->stride == 0;
  for (uint32_t packet = 0; packet < 32; packet++) {
    serve(load, view, packet);
  }
  hitless_commit(load->worker);
  for (uint32_t packet = 0; packet < 32; packet++) {
    uint32_t place = load->places[packet];
    uint64_t number = load->numbers[packet];
    if (place == HITLESS_RECORD_NOWHERE) {
      load->refused++;
      continue;
    }
    const struct hitless_state_area *area = hitless_state_area_at(view, 0, place);
    if (load->sides[packet] != 0) {
      *load->sides[packet] = load->notes[packet];
    }
    if (area->schema == LOAD_SCHEMA_2 || load->sides[packet] != 0) {
      __atomic_store_n(&load->by_candidate, load->by_candidate + 1, __ATOMIC_RELAXED);
    }
    load->forwarded++;
    if (is_shared) {
      // Its users would lose updates to each other, which is for the host to prevent.
      enter_shared(load, number, area->schema);
      leave_shared(load, number, area->schema);
      continue;
    }
    memcpy((char *)area->records + number * area->record_size, load->results[packet], area->record_size);
    load->bytes[number] += load->lengths[packet];
    load->packets[number]++;
  }
  hitless_state_end(load->worker);
  return 0;
}

void load_run_once(struct load *load) {
  uint64_t start = next_random(load);
  uint32_t poison = __atomic_exchange_n(&load->is_poisoned, 0, __ATOMIC_RELAXED);
  uint64_t stride = load->stride == 0 ? 1 : load->stride;
  uint64_t own = load->records / stride;
  for (uint32_t packet = 0; packet < 32; packet++) {
    load->numbers[packet] = (start + packet) % own * stride + load->first;
    load->lengths[packet] = 64 + (uint32_t)(next_random(load) % 600);
  }
  if (poison != 0) {
    load->lengths[17] = LOAD_POISON;
  }
  load->offered += 32;
  (void)hitless_run_batch(load->worker, pipeline, load);
  __atomic_store_n(&load->batches, load->batches + 1, __ATOMIC_RELAXED);
}

void load_run(struct load *load) {
  while (__atomic_load_n(&load->stop, __ATOMIC_ACQUIRE) == 0 && load->batches != load->limit) {
    load_run_once(load);
  }
}

void load_poison(struct load *load) { __atomic_store_n(&load->is_poisoned, 1, __ATOMIC_RELAXED); }

void load_stop(struct load *load) { __atomic_store_n(&load->stop, 1, __ATOMIC_RELEASE); }

uint64_t load_batches(const struct load *load) { return __atomic_load_n(&load->batches, __ATOMIC_RELAXED); }

uint64_t load_by_candidate(const struct load *load) {
  return __atomic_load_n(&load->by_candidate, __ATOMIC_RELAXED);
}

static int is_wrong(const struct load *load, const struct hitless_state_area *area, uint64_t number) {
  const char *record = (const char *)area->records + number * area->record_size;
  if (area->schema == LOAD_SCHEMA_2) {
    const struct load_record_2 *second = (const void *)record;
    return second->packets != load->packets[number] || second->bytes != load->bytes[number];
  }
  const struct load_record_1 *first = (const void *)record;
  return first->packets != load->packets[number] || first->bytes != load->bytes[number];
}

uint64_t load_wrong(struct load *load) {
  const struct hitless_view *view = hitless_enter(load->worker);
  uint64_t wrong = 0;
  for (uint64_t number = 0; number < load->records; number++) {
    hitless_state_begin(load->worker);
    uint32_t place = hitless_state_use(load->worker, view, 0, number, 0);
    wrong += place == HITLESS_RECORD_NOWHERE ||
             is_wrong(load, hitless_state_area_at(view, 0, place), number);
    hitless_state_end(load->worker);
  }
  return wrong;
}
