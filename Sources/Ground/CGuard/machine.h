// What the guard knows about processors: where a thread was when a signal came, and how it is sent elsewhere.
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>
#include <ucontext.h>

#include "hitless_guard.h"

#if defined(__x86_64__) || defined(__aarch64__)
#define IS_GUARDED_MACHINE 1
#else
#define IS_GUARDED_MACHINE 0
#endif

int32_t hitless_guard_call(struct hitless_guard_context *context, hitless_pipeline pipeline,
                           const struct hitless_view *view, void *batch);
extern const char hitless_guard_landing[];

/// The instruction at which the thread was.
uint64_t machine_instruction(const ucontext_t *place);
/// Its stack pointer.
uint64_t machine_stack(const ucontext_t *place);
/// Where a function that has not touched the stack yet returns to; `top` is the word at the stack pointer.
uint64_t machine_caller(const ucontext_t *place, uint64_t top);
/// Whether the instruction before `address`, which is readable code, is a call.
int machine_follows_call(uint64_t address, uint64_t code_begin);
/// Puts right what the kernel leaves to a handler as the thread had it.
void machine_begin(void);
/// Makes the thread go on behind the call that stored `context`.
void machine_leave(ucontext_t *place, const struct hitless_guard_context *context);

#endif
