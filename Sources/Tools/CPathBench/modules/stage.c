// One stage as a module: -DNAME="…" -DNUMBER=0…4 -DSTAGE_OF_BATCH=…_all -DBUILD=1 or 2; with -DFAILS, one
// that fails as the batch says, and with -DIN_SWIFT by failure.swift.
#include "stages.h"

#ifdef FAILS
#include "failure.h"

_Static_assert(PATH_EMPTY_FILE == EMPTY_FILE, "the file without bytes is somewhere else");

#ifdef IN_SWIFT
void fail_in_swift(uint32_t failure, uint64_t number);
#define FAIL(name, number) fail_in_swift(failure_##name, number)
#else
#define FAIL(name, number) fail_##name(number)
#endif
#define CASE(value, name)                                                                           \
  case value: {                                                                                     \
    _Static_assert((int)(value) == (int)failure_##name, "the harness has another number for it");   \
    FAIL(name, number);                                                                             \
    break;                                                                                          \
  }

static void fail(uint32_t failure, uint64_t number) {
  switch (failure) {
    CASE(PATH_FAIL_SEGV, segv)
    CASE(PATH_FAIL_BUS, bus)
    CASE(PATH_FAIL_FPE, fpe)
    CASE(PATH_FAIL_ILL, ill)
    CASE(PATH_FAIL_TRAP, trap)
    CASE(PATH_FAIL_ABORT, abort)
    CASE(PATH_FAIL_LOOP, loop)
    CASE(PATH_FAIL_OVERFLOW, overflow)
  }
}
#endif

static void process(const struct path_tables *tables, struct path_batch *batch) {
#ifdef FAILS
  if (batch->fail != 0) {
    fail(batch->fail, batch->now | 1);
  }
#endif
  STAGE_OF_BATCH(tables, batch, BUILD);
}

static const struct path_stage_table table = {
    .size = sizeof(struct path_stage_table), .build = BUILD, .process = process};

#define TABLE table
#include "descriptor.h"
