// Decodes a delta file with the decoder compiled for AArch64, without any library:
// what Swift asks of C's is here, on top of Linux' calls.
#include <stddef.h>
#include <stdint.h>

// Bytes of a delta file before the blob (docs/format.md, section 8.15).
#define FILE_HEADER 84
#define LARGEST (4 << 20)
#define HEAP (512 << 20)

extern intptr_t hitless_decode(const uint8_t *base, intptr_t base_count, const uint8_t *delta,
                               intptr_t delta_count, uint8_t *output, intptr_t capacity);

enum { SYS_OPENAT = 56, SYS_READ = 63, SYS_WRITE = 64, SYS_EXIT = 93, SYS_MMAP = 222 };

static long call(long number, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = 0;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

static _Noreturn void leave(int status) {
  for (;;) call(SYS_EXIT, status, 0, 0, 0, 0);
}

// Memory is handed out once and never taken back; a size stands before each piece.
static uint8_t *heap, *heap_end;

int posix_memalign(void **result, size_t alignment, size_t size) {
  uintptr_t place = ((uintptr_t)heap + 16 + alignment - 1) & ~(uintptr_t)(alignment - 1);
  if (size > (size_t)(heap_end - (uint8_t *)place)) return 12;
  ((size_t *)place)[-1] = size;
  heap = (uint8_t *)place + size;
  *result = (void *)place;
  return 0;
}

void *malloc(size_t size) {
  void *result = NULL;
  return posix_memalign(&result, 16, size) ? NULL : result;
}

void free(void *piece) { (void)piece; }

size_t malloc_usable_size(void *piece) { return piece ? ((size_t *)piece)[-1] : 0; }

void *memmove(void *target, const void *source, size_t count) {
  volatile uint8_t *to = target;
  const uint8_t *from = source;
  if (to < from) {
    for (size_t index = 0; index < count; index++) to[index] = from[index];
  } else {
    while (count--) to[count] = from[count];
  }
  return target;
}

void *memcpy(void *target, const void *source, size_t count) { return memmove(target, source, count); }

void *memset(void *target, int value, size_t count) {
  for (volatile uint8_t *to = target; count--; to++) *to = (uint8_t)value;
  return target;
}

int memcmp(const void *left, const void *right, size_t count) {
  const uint8_t *a = left, *b = right;
  for (size_t index = 0; index < count; index++)
    if (a[index] != b[index]) return a[index] < b[index] ? -1 : 1;
  return 0;
}

// What compiled code looks for on the stack, and where it goes when that has changed.
uintptr_t __stack_chk_guard = 0x5afe57ac;

_Noreturn void __stack_chk_fail(void) { leave(3); }

// Seeds of hash tables; nothing that is decoded may depend on them.
void arc4random_buf(void *bytes, size_t count) { memset(bytes, 7, count); }

int putchar(int character) {
  uint8_t byte = (uint8_t)character;
  call(SYS_WRITE, 2, (long)&byte, 1, 0, 0);
  return character;
}

static uint8_t *contents(const char *path, intptr_t *count) {
  uint8_t *bytes = malloc(LARGEST);
  long file = call(SYS_OPENAT, -100, (long)path, 0, 0, 0);
  if (!bytes || file < 0) leave(2);
  long part = 0;
  for (*count = 0; (part = call(SYS_READ, file, (long)(bytes + *count), LARGEST - *count, 0, 0)) > 0;)
    *count += part;
  return bytes;
}

// Called with the arguments' place: how many, then each.
void begin(long *stack) {
  char **arguments = (char **)(stack + 1);
  // PROT_READ | PROT_WRITE; MAP_PRIVATE | MAP_ANONYMOUS.
  heap = (uint8_t *)call(SYS_MMAP, 0, HEAP, 3, 0x22, -1);
  heap_end = heap + HEAP;
  if (stack[0] != 3) leave(2);
  intptr_t base_count, delta_count;
  uint8_t *base = contents(arguments[1], &base_count);
  uint8_t *delta = contents(arguments[2], &delta_count);
  uint8_t *output = malloc(LARGEST);
  if (!output || delta_count < FILE_HEADER) leave(2);
  intptr_t size = hitless_decode(base, base_count, delta + FILE_HEADER, delta_count - FILE_HEADER,
                                 output, LARGEST);
  for (intptr_t done = 0; done < size;) {
    long part = call(SYS_WRITE, 1, (long)(output + done), size - done, 0, 0);
    if (part <= 0) leave(1);
    done += part;
  }
  leave(size < 0);
}

__asm__(".globl _start\n_start: mov x0, sp\n and sp, x0, #-16\n bl begin\n");
