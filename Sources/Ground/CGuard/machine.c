#define _GNU_SOURCE
#include "machine.h"

#include <string.h>

_Static_assert(__builtin_offsetof(struct hitless_guard_context, vector) == 96, "as call.S has it");
_Static_assert(__builtin_offsetof(struct hitless_guard_context, stack) == 160, "as call.S has it");
_Static_assert(__builtin_offsetof(struct hitless_guard_context, control) == 168, "as call.S has it");

#if defined(__x86_64__)

uint64_t machine_instruction(const ucontext_t *place) { return (uint64_t)place->uc_mcontext.gregs[REG_RIP]; }

uint64_t machine_stack(const ucontext_t *place) { return (uint64_t)place->uc_mcontext.gregs[REG_RSP]; }

uint64_t machine_caller(const ucontext_t *place, uint64_t top) {
  (void)place;
  return top;
}

int machine_follows_call(uint64_t address, uint64_t code_begin) {
  const uint8_t *end = (const uint8_t *)(uintptr_t)address;
  uint64_t room = address - code_begin;
  if (room >= 5 && end[-5] == 0xe8) {
    return 1;
  }
  // ff /2: from a register, or through memory with no, 8 or 32 bits of displacement, with and without SIB.
  for (uint64_t length = 2; length <= 7 && length <= room; length++) {
    if (end[-(int)length] == 0xff && (end[1 - (int)length] & 0x38) == 0x10) {
      return 1;
    }
  }
  return 0;
}

void machine_begin(void) {
  // Alignment checks, which would make an ordinary access of a handler a fault.
  __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~UINT64_C(0x40000));
}

void machine_leave(ucontext_t *place, const struct hitless_guard_context *context) {
  static const int registers[] = {REG_RBX, REG_RBP, REG_R12, REG_R13, REG_R14, REG_R15};
  // Direction, trap and alignment-check flags: clear by the calling convention.
  const greg_t flags = 0x400 | 0x100 | 0x40000;
  greg_t *general = place->uc_mcontext.gregs;
  for (unsigned index = 0; index < 6; index++) {
    general[registers[index]] = (greg_t)context->general[index];
  }
  general[REG_RSP] = (greg_t)context->stack;
  general[REG_RIP] = (greg_t)(uintptr_t)hitless_guard_landing;
  general[REG_RAX] = 0;
  general[REG_EFL] &= ~flags;
  if (place->uc_mcontext.fpregs != 0) {
    place->uc_mcontext.fpregs->mxcsr = (uint32_t)context->control;
    place->uc_mcontext.fpregs->cwd = (uint16_t)(context->control >> 32);
    place->uc_mcontext.fpregs->swd = 0;
    place->uc_mcontext.fpregs->ftw = 0;
  }
}

#elif defined(__aarch64__)

#include <asm/sigcontext.h>

uint64_t machine_instruction(const ucontext_t *place) { return place->uc_mcontext.pc; }

uint64_t machine_stack(const ucontext_t *place) { return place->uc_mcontext.sp; }

uint64_t machine_caller(const ucontext_t *place, uint64_t top) {
  (void)top;
  return place->uc_mcontext.regs[30];
}

int machine_follows_call(uint64_t address, uint64_t code_begin) {
  if (address - code_begin < 4 || (address & 3) != 0) {
    return 0;
  }
  uint32_t call = *(const uint32_t *)(uintptr_t)(address - 4);
  // bl, and blr with and without authentication.
  return (call & 0xfc000000u) == 0x94000000u || (call & 0xfefff000u) == 0xd63f0000u;
}

void machine_begin(void) {}

static void leave_vectors(ucontext_t *place, const struct hitless_guard_context *context) {
  uint8_t *record = (uint8_t *)place->uc_mcontext.__reserved;
  const uint8_t *end = record + sizeof place->uc_mcontext.__reserved;
  while (record + sizeof(struct _aarch64_ctx) <= end) {
    struct _aarch64_ctx *head = (struct _aarch64_ctx *)record;
    if (head->magic == 0 || head->size < sizeof *head) {
      return;
    }
    if (head->magic == FPSIMD_MAGIC) {
      struct fpsimd_context *state = (struct fpsimd_context *)head;
      for (unsigned index = 0; index < 8; index++) {
        state->vregs[8 + index] = context->vector[index];
      }
      state->fpcr = (uint32_t)context->control;
    }
    record += head->size;
  }
}

void machine_leave(ucontext_t *place, const struct hitless_guard_context *context) {
  for (unsigned index = 0; index < 12; index++) {
    place->uc_mcontext.regs[19 + index] = context->general[index];
  }
  place->uc_mcontext.regs[0] = 0;
  place->uc_mcontext.sp = context->stack;
  place->uc_mcontext.pc = (uintptr_t)hitless_guard_landing;
  // Branch type, which an interrupted indirect branch leaves behind.
  place->uc_mcontext.pstate &= ~UINT64_C(0xc00);
  leave_vectors(place, context);
}

#else

uint64_t machine_instruction(const ucontext_t *place) { return (void)place, 0; }
uint64_t machine_stack(const ucontext_t *place) { return (void)place, 0; }
uint64_t machine_caller(const ucontext_t *place, uint64_t top) { return (void)place, (void)top, 0; }
void machine_begin(void) {}
int machine_follows_call(uint64_t address, uint64_t begin) { return (void)address, (void)begin, 0; }
void machine_leave(ucontext_t *place, const struct hitless_guard_context *context) {
  (void)place, (void)context;
}

#endif
