#define _GNU_SOURCE
#include "fault_tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

static int send_descriptor(int channel, int descriptor) {
  char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){
      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
  memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  return sendmsg(channel, &message, 0) == 1 ? 0 : -1;
}

static int receive_descriptor(int channel) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_type != SCM_RIGHTS) return -1;
  int descriptor;
  memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  return descriptor;
}

/// In the child: only calls that are safe after a fork of a process with threads.
static _Noreturn void run(const char *path, char *const *arguments, int input, int output, int channel) {
  struct sock_fprog program = {.len = fault_filter_length, .filter = fault_filter};
  // Out of the way of the numbers that are given away below.
  input = fcntl(input, F_DUPFD, 10);
  output = fcntl(output, F_DUPFD, 10);
  channel = fcntl(channel, F_DUPFD, 10);
  if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(channel, 3) < 0) _exit(125);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (listener < 0 || send_descriptor(3, (int)listener) != 0) _exit(126);
  syscall(SYS_close_range, 4u, ~0u, 0);
  execv(path, arguments);
  _exit(127);
}

int fault_process_start(const char *path, char *const *arguments, struct fault_process *process) {
  int input[2], output[2], channel[2];
  if (pipe2(input, O_CLOEXEC) != 0) return -1;
  if (pipe2(output, O_CLOEXEC) != 0) return -1;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) return -1;
  pid_t child = fork();
  if (child == 0) run(path, arguments, input[0], output[1], channel[1]);
  close(input[0]);
  close(output[1]);
  close(channel[1]);
  *process = (struct fault_process){
      .process = child, .listener = child < 0 ? -1 : receive_descriptor(channel[0]),
      .input = input[1], .output = output[0]};
  close(channel[0]);
  if (process->listener >= 0) {
    // Who announces a call sleeps until the answer: the processor may go on with it at once. Linux 6.6.
    (void)ioctl(process->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
    return 0;
  }
  fault_process_kill(process);
  errno = ENOSYS;
  return -1;
}

/// Fetches a call that is announced; false when who made it was killed or interrupted meanwhile.
static bool receive_call(int listener, struct fault_call *call) {
  struct seccomp_notif notification = {0};
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0) return false;
  *call = (struct fault_call){
      .id = notification.id, .thread = (pid_t)notification.pid, .number = notification.data.nr};
  memcpy(call->arguments, notification.data.args, sizeof call->arguments);
  return true;
}

enum fault_event fault_process_next(const struct fault_process *process, struct fault_call *call,
                                    int timeout) {
  struct pollfd sources[2] = {{process->listener, POLLIN, 0}, {process->output, POLLIN, 0}};
  for (;;) {
    int count = poll(sources, 2, timeout);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return FAULT_EVENT_TIMEOUT;
    if (sources[0].revents & POLLIN && receive_call(process->listener, call)) return FAULT_EVENT_CALL;
    if (sources[1].revents & POLLIN) return FAULT_EVENT_OUTPUT;
    if ((sources[0].revents | sources[1].revents) & (POLLHUP | POLLERR)) return FAULT_EVENT_END;
  }
}

int fault_call_is_memory(const struct fault_call *call) {
  if (call->number == SYS_mmap) return (call->arguments[3] & MAP_ANONYMOUS) != 0;
  // Pages of a mapped module are brought in by this one: of a file.
  if (call->number == SYS_madvise) return call->arguments[2] != MADV_POPULATE_READ;
  return call->number == SYS_mprotect;
}

int fault_call_is_stack(const struct fault_call *call) {
  return call->number == SYS_mmap && (call->arguments[3] & MAP_STACK) != 0;
}

int fault_call_answer(const struct fault_process *process, const struct fault_call *call, int error) {
  struct seccomp_notif_resp answer = {
      .id = call->id, .error = -error, .flags = error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0};
  return ioctl(process->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

int fault_process_join(struct fault_process *process) {
  int status = -1;
  if (process->process > 0) {
    while (waitpid(process->process, &status, 0) < 0 && errno == EINTR) {
    }
  }
  if (process->listener >= 0) close(process->listener);
  close(process->input);
  close(process->output);
  *process = (struct fault_process){.process = -1, .listener = -1, .input = -1, .output = -1};
  return status;
}

void fault_process_kill(struct fault_process *process) {
  if (process->process > 0) kill(process->process, SIGKILL);
  (void)fault_process_join(process);
}
