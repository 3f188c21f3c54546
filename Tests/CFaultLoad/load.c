#include "fault_load.h"

#include <stddef.h>
#include <string.h>

#include "hitless/health.h"

struct table {
  int (*answer)(int number);
};

struct batch {
  struct hitless_worker *worker;
  int32_t number;
  int32_t answer;
  int32_t third;
};

/// The number's flow, which is all of a batch of one packet.
static const struct hitless_generation *generation_of(const struct hitless_view *view, int32_t number) {
  uint32_t flow = (uint32_t)number * 2654435761u >> 8 & 0xffffu;
  return view->candidate != NULL && flow < view->share ? view->candidate : view->stable;
}

static int32_t answer(const struct hitless_generation *generation, int32_t number) {
  const struct table *table = hitless_generation_table(generation, 0);
  return table->answer(number);
}

static int32_t run_batch(const struct hitless_view *view, void *context) {
  struct batch *batch = context;
  const struct hitless_generation *generation = generation_of(view, batch->number);
  uint32_t side = hitless_side(view, generation);
  uint64_t begin = hitless_slot_begin(batch->worker);
  int32_t found = answer(generation, batch->number);
  hitless_slot_end(batch->worker, side, 0, begin);
  hitless_commit(batch->worker);
  batch->answer = found;
  hitless_signal_add(batch->worker, side, HITLESS_SIGNAL_PACKETS, 1);
  return 0;
}

int32_t fault_load_run(struct hitless_worker *worker, int32_t number) {
  struct batch batch = {.worker = worker, .number = number};
  (void)hitless_run_batch(worker, run_batch, &batch);
  return batch.answer;
}

uint32_t fault_load_share(struct hitless_worker *worker) {
  const struct hitless_view *view = hitless_enter(worker);
  if (view->candidate == NULL) return 0;
  return view->turns < HITLESS_SHARE_ALL ? view->turns : view->share;
}

static uint64_t copy_batch(void *context, const void *batch, void *copy) {
  (void)context;
  memcpy(copy, batch, sizeof(struct batch));
  return sizeof(struct batch);
}

static int32_t run_copy(void *context, const struct hitless_view *view, void *copy) {
  (void)context;
  struct batch *batch = copy;
  batch->third = (answer(generation_of(view, batch->number), batch->number) - 1) / 3;
  return 0;
}

static uint32_t list_outputs(void *context, void *copy, struct hitless_shadow_output *outputs) {
  (void)context;
  struct batch *batch = copy;
  outputs[0] = (struct hitless_shadow_output){.name = "third",
                                              .slot = 0,
                                              .packet = 0,
                                              .role = HITLESS_SHADOW_OUTPUT,
                                              .bytes = &batch->third,
                                              .size = sizeof batch->third};
  return 1;
}

struct hitless_shadow_options fault_load_shadow(void) {
  return (struct hitless_shadow_options){.size = sizeof(struct hitless_shadow_options),
                                         .output_limit = 1,
                                         .copy_size = sizeof(struct batch),
                                         .copy = copy_batch,
                                         .run = run_copy,
                                         .outputs = list_outputs};
}
