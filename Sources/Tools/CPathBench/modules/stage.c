// One stage as a module: -DNAME="…" -DNUMBER=0…4 -DSTAGE_OF_BATCH=…_all -DBUILD=1 or 2.
#include "stages.h"

static void process(const struct path_tables *tables, struct path_batch *batch) {
  STAGE_OF_BATCH(tables, batch, BUILD);
}

static const struct path_stage_table table = {
    .size = sizeof(struct path_stage_table), .build = BUILD, .process = process};

#define TABLE table
#include "descriptor.h"
