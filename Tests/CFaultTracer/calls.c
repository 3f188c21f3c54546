#define _GNU_SOURCE
#include "calls.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "fault_tracer.h"

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#else
#error "no filter for this machine"
#endif

// Calls that are announced always, and those that are when their first argument, a descriptor, is above 3.
#define PLAIN_CALLS(each) \
  each(openat) each(openat2) each(memfd_create) each(pipe2) each(renameat) each(renameat2) \
  each(unlinkat) each(mkdirat) each(newfstatat) each(statx) each(faccessat) each(faccessat2) \
  each(readlinkat) each(ppoll) each(clone) each(clone3) each(execve) each(wait4) each(waitid) \
  each(pidfd_open) each(socket) each(connect) each(bind) each(listen) each(accept4)
#define DESCRIPTOR_CALLS(each) \
  each(read) each(pread64) each(readv) each(write) each(pwrite64) each(writev) each(fsync) \
  each(fdatasync) each(ftruncate) each(fallocate) each(fstat) each(getdents64) each(flock) \
  each(fcntl) each(close) each(dup) each(dup3) each(lseek) each(fchmod) each(sendto) each(sendmsg) \
  each(recvfrom) each(recvmsg) each(getsockopt) each(setsockopt) each(shutdown)
#if defined(__x86_64__)
#define OLD_CALLS(each) \
  each(open) each(creat) each(rename) each(unlink) each(mkdir) each(rmdir) each(stat) each(lstat) \
  each(access) each(readlink) each(poll) each(vfork) each(dup2)
#else
#define OLD_CALLS(each)
#endif

// Each test jumps over the one return behind it.
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define ANNOUNCE(name) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), RETURN(SECCOMP_RET_USER_NOTIF),
#define ANNOUNCE_OWN(name) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 4), LOAD(args[0]), \
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 3, 0, 1), RETURN(SECCOMP_RET_USER_NOTIF), RETURN(SECCOMP_RET_ALLOW),

struct sock_filter fault_filter[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0),
    RETURN(SECCOMP_RET_ALLOW),
    LOAD(nr),
    PLAIN_CALLS(ANNOUNCE) OLD_CALLS(ANNOUNCE) DESCRIPTOR_CALLS(ANNOUNCE_OWN)
    // Of memory, too: who has asked for it is for the other side to find out.
    ANNOUNCE(mmap) ANNOUNCE(mprotect) ANNOUNCE(madvise)
    RETURN(SECCOMP_RET_ALLOW),
};

const unsigned short fault_filter_length = sizeof fault_filter / sizeof fault_filter[0];

#define NAME(name) {SYS_##name, #name},

static const struct {
  int number;
  const char *name;
} names[] = {PLAIN_CALLS(NAME) OLD_CALLS(NAME) DESCRIPTOR_CALLS(NAME) NAME(mmap)
             NAME(mprotect) NAME(madvise)};

const char *fault_call_name(int number) {
  for (unsigned index = 0; index < sizeof names / sizeof names[0]; index++) {
    if (names[index].number == number) return names[index].name;
  }
  return NULL;
}
