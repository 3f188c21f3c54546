// Decodes a delta file with the decoder compiled for a machine without Swift's runtime library.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// Bytes of a delta file before the blob (docs/format.md, section 8.15).
#define FILE_HEADER 84
#define LARGEST (16 << 20)

extern intptr_t hitless_decode(const uint8_t *base, intptr_t base_count, const uint8_t *delta,
                               intptr_t delta_count, uint8_t *output, intptr_t capacity);

// Swift asks for random bytes to seed its hash tables; on a bare machine somebody has to give them.
void arc4random_buf(void *bytes, size_t count) {
  for (size_t index = 0; index < count; index++) ((uint8_t *)bytes)[index] = (uint8_t)rand();
}

static uint8_t *contents(const char *path, size_t *count) {
  uint8_t *bytes = malloc(LARGEST);
  FILE *file = fopen(path, "rb");
  if (!bytes || !file) exit(2);
  *count = fread(bytes, 1, LARGEST, file);
  fclose(file);
  return bytes;
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  size_t base_count, delta_count;
  uint8_t *base = contents(arguments[1], &base_count);
  uint8_t *delta = contents(arguments[2], &delta_count);
  uint8_t *output = malloc(LARGEST);
  if (!output || delta_count < FILE_HEADER) return 2;
  intptr_t size = hitless_decode(base, (intptr_t)base_count, delta + FILE_HEADER,
                                 (intptr_t)delta_count - FILE_HEADER, output, LARGEST);
  FILE *file = size < 0 ? NULL : fopen(arguments[3], "wb");
  if (!file || fwrite(output, 1, (size_t)size, file) != (size_t)size) return 1;
  return fclose(file) != 0;
}
