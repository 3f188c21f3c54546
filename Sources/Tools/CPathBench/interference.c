#define _GNU_SOURCE
#include "path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CAPACITY = 1 << 16 };

// Reads a whole file of /proc from its beginning; returns its length, or 0.
static size_t read_all(int descriptor, char *text) {
  size_t length = 0;
  while (length < CAPACITY - 1) {
    ssize_t count = pread(descriptor, text + length, CAPACITY - 1 - length, (off_t)length);
    if (count <= 0) {
      break;
    }
    length += (size_t)count;
  }
  text[length] = 0;
  return length;
}

// Which column a processor has: those that are not online have none.
static int column_of(const char *heading, uint32_t processor) {
  char name[16];
  int column = 0;
  snprintf(name, sizeof name, "CPU%u", processor);
  size_t length = strlen(name);
  for (const char *place = heading; *place != 0 && *place != '\n';) {
    place += strspn(place, " ");
    size_t size = strcspn(place, " \n");
    if (size == length && strncmp(place, name, length) == 0) {
      return column;
    }
    column += size > 0;
    place += size;
  }
  return -1;
}

// The number in one column of a row, such as " 24:  1  0  IO-APIC"; 0 where a row is shorter.
static uint64_t entry(const char *row, int column) {
  const char *place = strchr(row, ':');
  const char *end = strchr(row, '\n');
  if (place == 0 || (end != 0 && place > end)) {
    return 0;
  }
  place++;
  for (int left = column;; left--) {
    place += strspn(place, " ");
    size_t size = strspn(place, "0123456789");
    if (size == 0) {
      return 0;
    }
    if (left == 0) {
      return strtoull(place, 0, 10);
    }
    place += size;
  }
}

uint64_t path_interrupts(int descriptor, uint32_t processor) {
  static _Thread_local char text[CAPACITY];
  if (read_all(descriptor, text) == 0) {
    return UINT64_MAX;
  }
  int column = column_of(text, processor);
  if (column < 0) {
    return UINT64_MAX;
  }
  uint64_t sum = 0;
  for (const char *row = strchr(text, '\n'); row != 0 && row[1] != 0; row = strchr(row + 1, '\n')) {
    sum += entry(row + 1, column);
  }
  return sum;
}

uint64_t path_stolen(uint32_t processor) {
  FILE *file = fopen("/proc/stat", "re");
  uint64_t stolen = UINT64_MAX;
  char line[512], name[16];
  if (file == 0) {
    return stolen;
  }
  snprintf(name, sizeof name, "cpu%u ", processor);
  while (fgets(line, sizeof line, file) != 0) {
    unsigned long long value = 0;
    if (strncmp(line, name, strlen(name)) == 0 &&
        sscanf(line + strlen(name), "%*u %*u %*u %*u %*u %*u %*u %llu", &value) == 1) {
      stolen = value;
    }
  }
  fclose(file);
  return stolen;
}
