/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/listener.h"

#include "base/address.h"
#include "net/tcp_socket.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Every UDP endpoint, with its via once it is open: the configured ones, then those of RFC 5780. */
struct endpoint {
    struct stun_address address;
    uint32_t via;
    bool plain, dtls; /* what may come */
};

#define ENDPOINTS_MAX (CONFIG_LISTENERS_MAX + 4 * TURN_NAT_GROUPS)

struct endpoint_list {
    struct endpoint items[ENDPOINTS_MAX];
    size_t count;
};

static size_t add_endpoint(struct endpoint_list *list, const struct stun_address *address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (address_equal(&list->items[i].address, address)) {
            return i;
        }
    }
    list->items[list->count] = (struct endpoint){.address = *address};
    return list->count++;
}

/* ---- RFC 5780 -------------------------------------------------------------------------------- */

/* Fills all but the vias: a group for each alternate address, the others not enabled. */
static void describe_groups(const struct config_boot *boot, struct turn_nat_behavior *groups)
{
    for (size_t i = 0; i < TURN_NAT_GROUPS; i++) {
        const struct config_listener *primary =
            i < boot->alternate_count ? config_boot_primary(boot, boot->alternates[i].family)
                                      : NULL;
        groups[i] = (struct turn_nat_behavior){0};
        if (primary) {
            groups[i].enabled = true;
            groups[i].address[0] = primary->address;
            groups[i].address[1] = boot->alternates[i];
            groups[i].port[0] = primary->address.port;
            groups[i].port[1] = boot->alternate_port;
            groups[i].address[1].port = groups[i].port[0];
        }
    }
}

static struct stun_address group_endpoint(const struct turn_nat_behavior *group, int address,
                                          int port)
{
    struct stun_address endpoint = group->address[address];
    endpoint.port = group->port[port];
    return endpoint;
}

/* ---- all UDP endpoints ----------------------------------------------------------------------- */

static void list_endpoints(const struct config_boot *boot, const struct turn_nat_behavior *groups,
                           struct endpoint_list *list)
{
    list->count = 0;
    for (size_t i = 0; i < boot->listener_count; i++) {
        const struct config_listener *listener = &boot->listeners[i];
        if (listener->udp || listener->dtls) {
            struct endpoint *endpoint = &list->items[add_endpoint(list, &listener->address)];
            endpoint->plain = listener->udp;
            endpoint->dtls = listener->dtls;
        }
    }
    for (int i = 0; i < 4 * TURN_NAT_GROUPS; i++) {
        if (groups[i / 4].enabled) {
            struct stun_address endpoint = group_endpoint(&groups[i / 4], i / 2 % 2, i % 2);
            list->items[add_endpoint(list, &endpoint)].plain = true;
        }
    }
}

/* ---- problems -------------------------------------------------------------------------------- */

static void tell_problem(FILE *diagnostics, const struct stun_address *address,
                         const char *transport, int status)
{
    char text[ADDRESS_TEXT_SIZE];
    fprintf(diagnostics, "turnserver: cannot listen on %s (%s): %s", address_format(address, text),
            transport, strerror(-status));
    switch (-status) {
    case EADDRINUSE:
        fprintf(diagnostics, "; another server runs there: see ss -%slpn 'sport = :%u'",
                transport[0] == 'u' ? "u" : "t", address->port);
        break;
    case EADDRNOTAVAIL:
        fprintf(diagnostics, "; this host does not have that address: see ip address show");
        break;
    case EACCES:
        fprintf(diagnostics, "; ports below 1024 need root or CAP_NET_BIND_SERVICE");
        break;
    case EMFILE:
        fprintf(diagnostics, "; raise the limit of open files (ulimit -n, LimitNOFILE=)");
        break;
    default:
        break;
    }
    fputc('\n', diagnostics);
}

static int note_status(FILE *diagnostics, const struct stun_address *address, const char *transport,
                       int status, int first_failure)
{
    if (status != 0) {
        tell_problem(diagnostics, address, transport, status);
    }
    return first_failure != 0 ? first_failure : status;
}

/* ---- checking -------------------------------------------------------------------------------- */

static int try_udp(const struct stun_address *address)
{
    int descriptor;
    int status = udp_socket_open(&descriptor, address, &(struct udp_socket_options){0});
    if (status == 0) {
        close(descriptor);
    }
    return status;
}

static int try_tcp(const struct stun_address *address)
{
    int descriptor;
    int status = tcp_socket_listen(&descriptor, address, false);
    if (status == 0) {
        close(descriptor);
    }
    return status;
}

int listener_check_free(const struct config_boot *boot, FILE *diagnostics)
{
    struct turn_nat_behavior groups[TURN_NAT_GROUPS];
    struct endpoint_list list;
    int failure = 0;
    describe_groups(boot, groups);
    list_endpoints(boot, groups, &list);
    for (size_t i = 0; i < list.count; i++) {
        const struct stun_address *address = &list.items[i].address;
        failure = note_status(diagnostics, address, "udp", try_udp(address), failure);
    }
    for (size_t i = 0; i < boot->listener_count; i++) {
        const struct stun_address *address = &boot->listeners[i].address;
        if (boot->listeners[i].tcp || boot->listeners[i].tls) {
            failure = note_status(diagnostics, address, "tcp", try_tcp(address), failure);
        }
    }
    return failure;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_udp(const struct listener_places *places, struct endpoint_list *list,
                    FILE *diagnostics)
{
    int failure = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct endpoint *endpoint = &list->items[i];
        int status =
            places->operations->open_listener(places->datapath, &endpoint->address, &endpoint->via);
        failure = note_status(diagnostics, &endpoint->address, "udp", status, failure);
        if (status == 0 && endpoint->dtls) {
            associations_listen(places->associations, endpoint->via, endpoint->plain);
        }
    }
    return failure;
}

static int open_tcp(const struct config_boot *boot, const struct listener_places *places,
                    FILE *diagnostics)
{
    int failure = 0;
    for (size_t i = 0; i < boot->listener_count; i++) {
        const struct config_listener *listener = &boot->listeners[i];
        if (listener->tcp || listener->tls) {
            int status = streams_listen(places->streams, listener);
            failure = note_status(diagnostics, &listener->address, "tcp", status, failure);
        }
    }
    return failure;
}

static void fill_vias(struct turn_nat_behavior *groups, struct endpoint_list *list)
{
    for (int i = 0; i < 4 * TURN_NAT_GROUPS; i++) {
        struct turn_nat_behavior *group = &groups[i / 4];
        if (group->enabled) {
            struct stun_address endpoint = group_endpoint(group, i / 2 % 2, i % 2);
            group->via[i / 2 % 2][i % 2] = list->items[add_endpoint(list, &endpoint)].via;
        }
    }
}

int listener_open_all(const struct config_boot *boot, const struct listener_places *places,
                      struct turn_nat_behavior nat_behavior[TURN_NAT_GROUPS], FILE *diagnostics)
{
    struct endpoint_list list;
    describe_groups(boot, nat_behavior);
    list_endpoints(boot, nat_behavior, &list);
    int status = open_udp(places, &list, diagnostics);
    if (status == 0) {
        fill_vias(nat_behavior, &list);
        status = open_tcp(boot, places, diagnostics);
    }
    return status;
}
