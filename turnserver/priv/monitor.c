/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/priv/monitor.h"

#include "turnserver/priv/trusted_open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_MAX 256 /* of the configuration, its certificates, the log */
#define ANSWER_TIMEOUT_S 10

enum record_kind {
    RECORD_READ,
    RECORD_APPEND,
    RECORD_END,
};

/* One datagram of an answer; a descriptor travels with it when `error` is 0. */
struct record {
    int32_t kind;
    int32_t error; /* 0 or -errno */
    char path[PATH_MAX];
};

struct monitor {
    int socket;
    pid_t process;
};

struct monitor_file {
    enum record_kind kind;
    int descriptor; /* or -errno */
    char *path;
};

struct monitor_files {
    struct monitor_file files[FILES_MAX];
    size_t count;
};

/* ---- one record over the socket ---------------------------------------------------------------
 */

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr alignment;
};

static int send_record(int socket, const struct record *record, int descriptor)
{
    union control control = {{0}};
    struct iovec part = {(void *)record, sizeof(*record)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof(descriptor));
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* Sets `descriptor` to what came along, or to the record's error. */
static int receive_record(int socket, struct record *record, int *descriptor)
{
    union control control = {{0}};
    struct iovec part = {record, sizeof(*record)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t size;
    do
        size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    if (size != sizeof(*record))
        return -EPIPE;
    record->path[sizeof(record->path) - 1] = '\0';
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *descriptor = record->error < 0 ? record->error : -EPROTO;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(descriptor, CMSG_DATA(header), sizeof(*descriptor));
    return 0;
}

/* ---- the monitor's side ------------------------------------------------------------------------
 */

/* Opens and tells the server. The caller, who reads it here too, gets a descriptor of its own. */
static int open_and_tell(int socket, enum record_kind kind, const char *path, int flags)
{
    struct record record = {.kind = (int32_t)kind};
    if (strlen(path) >= sizeof(record.path))
        return -ENAMETOOLONG;
    memcpy(record.path, path, strlen(path) + 1);
    int theirs = trusted_open(path, flags);
    int ours = theirs < 0 ? theirs : trusted_open(path, flags);
    record.error = theirs < 0 ? theirs : 0;
    send_record(socket, &record, theirs);
    if (theirs >= 0)
        close(theirs);
    return ours;
}

static int open_to_read(void *opener, const char *path)
{
    return open_and_tell(*(const int *)opener, RECORD_READ, path, O_RDONLY);
}

static int open_to_append(void *opener, const char *path)
{
    return open_and_tell(*(const int *)opener, RECORD_APPEND, path, O_WRONLY | O_APPEND | O_CREAT);
}

/* The last process with the right to remove it. */
static void remove_pid_file(const char *path)
{
    if (path)
        unlink(path);
}

_Noreturn static void run(int socket, const struct monitor_job *job)
{
    /* A terminal's Ctrl-C and a service manager's SIGTERM reach every process of ours; the monitor
     * ends when the server has. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    prctl(PR_SET_NAME, "postern-monitor");
    for (;;) {
        char request;
        ssize_t size = recv(socket, &request, sizeof(request), 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            break;
        job->collect(job->context, open_to_read, open_to_append, &socket);
        send_record(socket, &(struct record){.kind = RECORD_END}, -1);
    }
    remove_pid_file(job->pid_file);
    _exit(0);
}

/* ---- the server's side -------------------------------------------------------------------------
 */

struct monitor *monitor_start(const struct monitor_job *job)
{
    int sockets[2];
    struct timeval patience = {.tv_sec = ANSWER_TIMEOUT_S};
    struct monitor *monitor = calloc(1, sizeof(*monitor));
    if (!monitor)
        return NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        goto out;
    setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    monitor->socket = sockets[0];
    monitor->process = fork();
    if (monitor->process == 0) {
        close(sockets[0]);
        run(sockets[1], job);
    }
    close(sockets[1]);
    if (monitor->process > 0)
        return monitor;
    close(sockets[0]);
out:
    free(monitor);
    return NULL;
}

void monitor_stop(struct monitor *monitor)
{
    if (!monitor)
        return;
    close(monitor->socket);
    while (waitpid(monitor->process, NULL, 0) < 0 && errno == EINTR)
        ;
    free(monitor);
}

static int keep(struct monitor_files *files, const struct record *record, int descriptor)
{
    char *path = files->count < FILES_MAX ? strdup(record->path) : NULL;
    if (!path) {
        if (descriptor >= 0)
            close(descriptor);
        return -ENOMEM;
    }
    files->files[files->count++] =
        (struct monitor_file){(enum record_kind)record->kind, descriptor, path};
    return 0;
}

int monitor_collect(struct monitor *monitor, struct monitor_files **out)
{
    struct monitor_files *files = calloc(1, sizeof(*files));
    if (!files)
        return -ENOMEM;
    int result = send(monitor->socket, "c", 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
    while (result == 0) {
        struct record record;
        int descriptor = -1;
        result = receive_record(monitor->socket, &record, &descriptor);
        if (result == 0 && record.kind == RECORD_END)
            break;
        if (result == 0)
            result = keep(files, &record, descriptor);
    }
    if (result == 0) {
        *out = files;
        return 0;
    }
    /* Half an answer may still be on its way, and must not be taken for the next one's. */
    shutdown(monitor->socket, SHUT_RDWR);
    monitor_files_free(files);
    return result;
}

void monitor_files_free(struct monitor_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->count; i++) {
        if (files->files[i].descriptor >= 0)
            close(files->files[i].descriptor);
        free(files->files[i].path);
    }
    free(files);
}

/* Hands out the monitor's descriptor, at its beginning. */
static int find(const struct monitor_files *files, enum record_kind kind, const char *path)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct monitor_file *file = &files->files[i];
        if (file->kind != kind || strcmp(file->path, path) != 0)
            continue;
        if (file->descriptor < 0)
            return file->descriptor;
        int descriptor = fcntl(file->descriptor, F_DUPFD_CLOEXEC, 0);
        if (descriptor >= 0 && kind == RECORD_READ)
            lseek(descriptor, 0, SEEK_SET);
        return descriptor < 0 ? -errno : descriptor;
    }
    return -EACCES;
}

int monitor_files_read(void *files, const char *path)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor >= 0 || errno != EACCES)
        return descriptor < 0 ? -errno : descriptor;
    return find(files, RECORD_READ, path);
}

int monitor_files_append(void *files, const char *path)
{
    int descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (descriptor >= 0 || errno != EACCES)
        return descriptor < 0 ? -errno : descriptor;
    return find(files, RECORD_APPEND, path);
}

const char *monitor_files_untrusted(const struct monitor_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->files[i].descriptor == -EPERM)
            return files->files[i].path;
    return NULL;
}
