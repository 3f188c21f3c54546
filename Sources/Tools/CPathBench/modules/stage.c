// One stage as a module: -DNAME="…" -DNUMBER=0…4 -DSTAGE_OF_BATCH=…_all -DBUILD=1 or 2; with -DFAILS, one
// that fails when the batch says so.
#include "stages.h"

static void process(const struct path_tables *tables, struct path_batch *batch) {
#ifdef FAILS
  if (batch->fail == PATH_FAIL_FAULT) {
    *(volatile uint32_t *)(uintptr_t)(batch->now & 8) = 1;
  }
  while (batch->fail == PATH_FAIL_LOOP) {
    __asm__ volatile("" ::: "memory");
  }
#endif
  STAGE_OF_BATCH(tables, batch, BUILD);
}

static const struct path_stage_table table = {
    .size = sizeof(struct path_stage_table), .build = BUILD, .process = process};

#define TABLE table
#include "descriptor.h"
