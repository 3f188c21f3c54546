// What a thread can do to what it sees of the file system, for tests: calls that glibc offers only as GNU
// extensions, or not at all. Each concerns the calling thread alone and must be taken back on it.
#ifndef TEST_SYSTEM_H
#define TEST_SYSTEM_H

/// The mounts and the working directory that a thread had.
struct test_mounts {
  int mounts;
  int directory;
};

/// Gives the calling thread mounts of its own, among which what is beneath `path` is read-only.
///
/// Takes CAP_SYS_ADMIN. Fills `before` and returns 0; or returns -1 with `errno` and leaves the thread as it
/// was.
int test_mounts_read_only(const char *_Nonnull path, struct test_mounts *_Nonnull before);
/// Gives the calling thread back what it had. Returns 0, or -1 with `errno`.
int test_mounts_restore(struct test_mounts before);

/// Makes a child by `fork` that does nothing until `test_child_end`, but first runs `body` in it.
///
/// `body` may do what a signal handler may, and no more. Returns the child's number with `end` for
/// `test_child_end`, or -1 with `errno`.
int test_child_begin(int (*_Nonnull body)(void), int *_Nonnull end);
/// Lets the child end and returns what `body` has returned in it, or -1.
int test_child_end(int child, int end);

/// From here on the calling thread makes no thread and no process: EAGAIN, as where there are too
/// many already. Returns 0, or -1 with `errno`. It cannot be taken back.
int test_threads_forbid(void);

/// Whether permissions hold for the calling thread even if it is root's. Returns 0, or -1 with `errno`.
int test_permissions_hold(int hold);

#endif
