/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known about the NAT in front of us, in the terms of RFC 4787 §4.1 and §5. Everything
 * starts as unknown and stays so unless the evidence is good; `doubt` then says what was missing.
 */
#ifndef PROTO_NAT_REPORT_H
#define PROTO_NAT_REPORT_H

#include <postern/address.h>
#include <stdbool.h>
#include <stdint.h>

/* Does the outside see one address of a socket, or one for each destination? */
enum nat_mapping {
    NAT_MAPPING_UNKNOWN = 0,
    NAT_MAPPING_NONE, /* no translation: the outside sees our own address */
    NAT_MAPPING_ENDPOINT_INDEPENDENT,
    NAT_MAPPING_ADDRESS_DEPENDENT,
    NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT,
    NAT_MAPPING_BLOCKED, /* nothing ever came back over UDP */
};

/* Who may send to that address? */
enum nat_filtering {
    NAT_FILTERING_UNKNOWN = 0,
    NAT_FILTERING_ENDPOINT_INDEPENDENT,       /* anyone */
    NAT_FILTERING_ADDRESS_DEPENDENT,          /* hosts that the socket has sent to */
    NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT, /* endpoints that the socket has sent to */
    NAT_FILTERING_BLOCKED,
};

/* Why something is unknown. */
enum nat_doubt {
    NAT_CERTAIN = 0,
    NAT_NOT_MEASURED,
    NAT_NO_OTHER_ADDRESS,     /* the server has no OTHER-ADDRESS: it cannot tell (RFC 5780 §7.4) */
    NAT_OTHER_ADDRESS_WRONG,  /* it tells one that differs in too little, or is no address at all */
    NAT_OTHER_ADDRESS_SILENT, /* nobody answers there */
    NAT_CHANGE_IGNORED,       /* CHANGE-REQUEST is answered, but from the wrong address */
    NAT_CHANGE_REFUSED,       /* CHANGE-REQUEST is answered with an error */
    NAT_CHANGE_SILENT,        /* CHANGE-REQUEST is not answered where it must arrive */
    NAT_LOSS,                 /* too many packets are lost to tell silence from refusal */
    NAT_INCONSISTENT,         /* the answers contradict each other */
};

enum nat_ports {
    NAT_PORTS_UNKNOWN = 0,
    NAT_PORTS_PRESERVED,  /* the outside sees the port that the socket has */
    NAT_PORTS_SEQUENTIAL, /* each new mapping lies `port_delta` after the one before */
    NAT_PORTS_CHANGED,    /* neither of the two */
};

/* The destinations of the mapping tests (RFC 5780 §4.3): the server's addresses and ports. */
enum nat_endpoint {
    NAT_PRIMARY = 0,            /* the address that was asked for */
    NAT_OTHER_ADDRESS,          /* the other address, the same port */
    NAT_OTHER_PORT,             /* the same address, the other port */
    NAT_OTHER_ADDRESS_AND_PORT, /* both */
    NAT_ENDPOINTS,
};

struct nat_report {
    enum nat_mapping mapping;
    enum nat_doubt mapping_doubt;
    enum nat_filtering filtering;
    enum nat_doubt filtering_doubt;
    enum nat_ports ports;
    int port_delta;         /* NAT_PORTS_SEQUENTIAL */
    bool several_addresses; /* sockets of ours appear with different IP addresses outside */

    struct stun_address server;                /* as asked */
    struct stun_address other;                 /* OTHER-ADDRESS; family none: not told */
    struct stun_address local;                 /* of the socket of the mapping tests */
    struct stun_address mapped[NAT_ENDPOINTS]; /* what each saw of it; family none: no answer */
    int64_t rtt_us;                            /* the shortest, -1: no answer */
    uint16_t error_code;                       /* the primary endpoint refused to answer; 0: no */
    unsigned sent, answered;                   /* plain requests to endpoints that did answer */
    char software[64];                         /* the server's, printable ASCII */
};

#endif
