// hitless_guard_call(context, pipeline, view, batch): pipeline(view, batch), with the registers that a callee
// keeps stored in `context` before. A handler that ends the call restores them from there, not from the stack,
// which the fault may have spoilt, and goes on at hitless_guard_landing.
#if defined(__x86_64__)
  .text
  .globl hitless_guard_call
  .hidden hitless_guard_call
  .globl hitless_guard_landing
  .hidden hitless_guard_landing
  .type hitless_guard_call, @function
hitless_guard_call:
  .cfi_startproc
  endbr64
  movq %rbx, 0(%rdi)
  movq %rbp, 8(%rdi)
  movq %r12, 16(%rdi)
  movq %r13, 24(%rdi)
  movq %r14, 32(%rdi)
  movq %r15, 40(%rdi)
  subq $8, %rsp
  .cfi_adjust_cfa_offset 8
  movq %rsp, 160(%rdi)
  stmxcsr 168(%rdi)
  fnstcw 172(%rdi)
  movq %rsi, %rax
  movq %rdx, %rdi
  movq %rcx, %rsi
  callq *%rax
hitless_guard_landing:
  addq $8, %rsp
  .cfi_adjust_cfa_offset -8
  retq
  .cfi_endproc
  .size hitless_guard_call, . - hitless_guard_call
#elif defined(__aarch64__)
  .text
  .globl hitless_guard_call
  .hidden hitless_guard_call
  .globl hitless_guard_landing
  .hidden hitless_guard_landing
  .type hitless_guard_call, %function
hitless_guard_call:
  .cfi_startproc
  hint #34
  stp x29, x30, [sp, #-16]!
  .cfi_def_cfa_offset 16
  .cfi_offset 29, -16
  .cfi_offset 30, -8
  mov x29, sp
  stp x19, x20, [x0, #0]
  stp x21, x22, [x0, #16]
  stp x23, x24, [x0, #32]
  stp x25, x26, [x0, #48]
  stp x27, x28, [x0, #64]
  stp x29, x30, [x0, #80]
  stp d8, d9, [x0, #96]
  stp d10, d11, [x0, #112]
  stp d12, d13, [x0, #128]
  stp d14, d15, [x0, #144]
  mov x9, sp
  mrs x10, fpcr
  stp x9, x10, [x0, #160]
  mov x9, x1
  mov x0, x2
  mov x1, x3
  blr x9
hitless_guard_landing:
  ldp x29, x30, [sp], #16
  .cfi_def_cfa_offset 0
  .cfi_restore 29
  .cfi_restore 30
  ret
  .cfi_endproc
  .size hitless_guard_call, . - hitless_guard_call
#endif
  .section .note.GNU-stack, "", %progbits
