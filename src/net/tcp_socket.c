/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/tcp_socket.h"

#include "net/socket_address.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <unistd.h>

/* Connections that wait for accept; the kernel's own bound holds as well. */
#define BACKLOG 1024

static int set_option(int descriptor, int level, int name)
{
    int value = 1;

    return setsockopt(descriptor, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

static int bind_to(int descriptor, const struct stun_address *address)
{
    union socket_address name;
    socklen_t size = socket_address_write(&name, address);

    return bind(descriptor, &name.any, size) < 0 ? -errno : 0;
}

static int open_stream(const struct stun_address *address)
{
    int family = address->family == STUN_FAMILY_IPV4 ? AF_INET : AF_INET6;

    if (address->family == STUN_FAMILY_NONE) {
        return -EAFNOSUPPORT;
    }
    int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return -errno;
    }
    if (family == AF_INET6) {
        (void)set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY);
    }
    (void)set_option(descriptor, IPPROTO_TCP, TCP_NODELAY);
    return descriptor;
}

int tcp_socket_listen(int *descriptor, const struct stun_address *address, bool reuse_port)
{
    int opened = open_stream(address);
    int status;

    if (opened < 0) {
        return opened;
    }
    /* A restart must not wait for connections of the last run to be forgotten. */
    status = set_option(opened, SOL_SOCKET, SO_REUSEADDR);
    if (status == 0 && reuse_port) {
        status = set_option(opened, SOL_SOCKET, SO_REUSEPORT);
    }
    if (status == 0) {
        status = bind_to(opened, address);
    }
    if (status == 0 && listen(opened, BACKLOG) < 0) {
        status = -errno;
    }
    if (status != 0) {
        close(opened);
        return status;
    }
    *descriptor = opened;
    return 0;
}

static int accept_error(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return -EMFILE;
    case EWOULDBLOCK:
        return -EAGAIN;
    default:
        return -error;
    }
}

int tcp_socket_accept(int listening, int *descriptor, struct stun_address *remote,
                      struct stun_address *local)
{
    union socket_address name = {0};
    socklen_t size = sizeof name;

    int accepted = accept4(listening, &name.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
        return accept_error(errno);
    }
    int status = socket_local_address(accepted, local);
    if (status != 0) {
        close(accepted);
        return status;
    }
    (void)set_option(accepted, IPPROTO_TCP, TCP_NODELAY);
    *remote = socket_address_read(&name.any);
    *descriptor = accepted;
    return 0;
}

static int connect_from(int *descriptor, const struct stun_address *remote,
                        const struct stun_address *local, bool shared)
{
    union socket_address name;
    int opened = open_stream(remote);
    int status = 0;

    if (opened < 0) {
        return opened;
    }
    if (local != NULL) {
        status = set_option(opened, SOL_SOCKET, SO_REUSEADDR);
        if (status == 0 && shared) {
            status = set_option(opened, SOL_SOCKET, SO_REUSEPORT);
        }
        status = status != 0 ? status : bind_to(opened, local);
    }
    socklen_t size = socket_address_write(&name, remote);
    if (status == 0 && connect(opened, &name.any, size) < 0 && errno != EINPROGRESS) {
        status = -errno;
    }
    if (status != 0) {
        close(opened);
        return status;
    }
    *descriptor = opened;
    return 0;
}

int tcp_socket_connect(int *descriptor, const struct stun_address *remote,
                       const struct stun_address *local)
{
    return connect_from(descriptor, remote, local, false);
}

int tcp_socket_connect_shared(int *descriptor, const struct stun_address *remote,
                              const struct stun_address *local)
{
    return connect_from(descriptor, remote, local, true);
}

void tcp_socket_keep_alive(int descriptor)
{
    static const struct {
        int name, value;
    } options[] = {{TCP_KEEPIDLE, 60}, {TCP_KEEPINTVL, 15}, {TCP_KEEPCNT, 4}};

    (void)set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        (void)setsockopt(descriptor, IPPROTO_TCP, options[i].name, &options[i].value, sizeof(int));
    }
}
