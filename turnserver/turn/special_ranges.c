/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/special_ranges.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

const struct special_range special_ranges_always[] = {
    {"0.0.0.0", "no address at all"}, /* Linux sends it to this host */
    {"::", "no address at all"},         {"224.0.0.0/4", "a multicast address"},
    {"ff00::/8", "a multicast address"}, {"255.255.255.255", "the broadcast address"},
    {"2002::/16", "a 6to4 address"},   /* RFC 8656 §21.4 */
    {"2001::/32", "a Teredo address"}, /* RFC 8656 §21.4 */
};
const size_t special_ranges_always_count = COUNT(special_ranges_always);

/*
 * The IANA special-purpose registries of both families (RFC 6890, as of 2025), and what lies
 * outside 2000::/3, where no unicast address is allocated and overlay networks choose theirs. An
 * IPv6 address that carries an IPv4 address is judged as the latter, so NAT64 (64:ff9b::/96)
 * passes. Of overlapping ranges the first names the address.
 */
const struct special_range special_ranges_default[] = {
    {"0.0.0.0/8", "an address of this network"},         /* RFC 791 §3.2 */
    {"10.0.0.0/8", "a private address"},                 /* RFC 1918 */
    {"100.64.0.0/10", "a carrier's private address"},    /* RFC 6598 */
    {"127.0.0.0/8", "a loopback address"},               /* RFC 1122 §3.2.1.3 */
    {"169.254.0.0/16", "a link-local address"},          /* RFC 3927 */
    {"172.16.0.0/12", "a private address"},              /* RFC 1918 */
    {"192.0.0.0/24", "a protocol-assigned address"},     /* RFC 6890 §2.1 */
    {"192.0.2.0/24", "a documentation address"},         /* RFC 5737 */
    {"192.31.196.0/24", "an AS112 address"},             /* RFC 7535 */
    {"192.52.193.0/24", "a multicast tunnel address"},   /* RFC 7450 */
    {"192.88.99.0/24", "a 6to4 relay address"},          /* RFC 7526 */
    {"192.168.0.0/16", "a private address"},             /* RFC 1918 */
    {"192.175.48.0/24", "an AS112 address"},             /* RFC 7534 */
    {"198.18.0.0/15", "a benchmarking address"},         /* RFC 2544 */
    {"198.51.100.0/24", "a documentation address"},      /* RFC 5737 */
    {"203.0.113.0/24", "a documentation address"},       /* RFC 5737 */
    {"240.0.0.0/4", "a reserved address"},               /* RFC 1112 §4 */
    {"::1", "the loopback address"},                     /* RFC 4291 §2.5.3 */
    {"64:ff9b:1::/48", "a local translation address"},   /* RFC 8215 */
    {"100::/64", "a discard address"},                   /* RFC 6666 */
    {"100:0:0:1::/64", "a dummy address"},               /* RFC 9780 */
    {"2001:2::/48", "a benchmarking address"},           /* RFC 5180 */
    {"2001:10::/28", "an ORCHID"},                       /* RFC 4843 */
    {"2001:20::/28", "an ORCHID"},                       /* RFC 7343 */
    {"2001:30::/28", "a drone identifier"},              /* RFC 9374 */
    {"2001::/23", "a protocol-assigned address"},        /* RFC 2928 */
    {"2001:db8::/32", "a documentation address"},        /* RFC 3849 */
    {"2620:4f:8000::/48", "an AS112 address"},           /* RFC 7534 */
    {"3fff::/20", "a documentation address"},            /* RFC 9637 */
    {"5f00::/16", "a segment routing address"},          /* RFC 9602 */
    {"fc00::/7", "a private address"},                   /* RFC 4193 */
    {"fe80::/10", "a link-local address"},               /* RFC 4291 §2.5.6 */
    {"fec0::/10", "a private address"},                  /* RFC 3879 */
    {"::/3", "an address outside the global range"},     /* RFC 4291 §2.4 */
    {"4000::/2", "an address outside the global range"}, /* RFC 4291 §2.4 */
    {"8000::/1", "an address outside the global range"}, /* RFC 4291 §2.4 */
};
const size_t special_ranges_default_count = COUNT(special_ranges_default);
