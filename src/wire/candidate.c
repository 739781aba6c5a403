/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/candidate.h"

#include "base/address.h"
#include "wire/span.h"

#define LINE_SIZE_MAX 2048
#define COMPONENT_MAX 256
#define UFRAG_SIZE_MIN 4

static const char *const type_names[] = {
    [ICE_HOST] = "host",
    [ICE_SERVER_REFLEXIVE] = "srflx",
    [ICE_PEER_REFLEXIVE] = "prflx",
    [ICE_RELAYED] = "relay",
};
#define TYPE_COUNT (sizeof type_names / sizeof type_names[0])

/* RFC 6544 §4.5. */
static const char *const tcp_names[] = {
    [ICE_TCP_ACTIVE] = "active",
    [ICE_TCP_PASSIVE] = "passive",
    [ICE_TCP_SO] = "so",
};
#define TRANSPORT_COUNT (sizeof tcp_names / sizeof tcp_names[0])

const char *candidate_type_text(enum ice_candidate_type type)
{
    return (size_t)type < TYPE_COUNT ? type_names[type] : "unknown";
}

/* ---- reading -----------------------------------------------------------------------------------
 */

/* Whether it may be a name of the DNS: labels of letters, digits, '-' and '_', the last of them not
 * a number, which would be half an IP address. */
static bool is_host_name(struct span text)
{
    bool number = true;
    size_t label = 0;

    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        bool digit = c >= '0' && c <= '9';
        if (c == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
            number = true;
            continue;
        }
        if (!digit && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-' && c != '_') {
            return false;
        }
        number = number && digit;
        if (++label > 63) {
            return false;
        }
    }
    return label > 0 && !number;
}

/* An IP without brackets and zone. */
static bool read_ip(struct stun_address *address, struct span text)
{
    char copy[ADDRESS_TEXT_SIZE];

    return span_copy(text, 2, copy, sizeof copy) &&
           copy[strspn(copy, "0123456789abcdefABCDEF.:")] == '\0' &&
           address_parse_ip(address, copy);
}

static const char *read_address(struct ice_candidate *candidate, struct span text)
{
    if (read_ip(&candidate->address, text)) {
        return NULL;
    }
    if (!is_host_name(text) || !span_copy(text, 1, candidate->name, sizeof candidate->name)) {
        return "its address is neither an IP address nor a name";
    }
    return NULL;
}

static const char *read_number(struct span text, uint64_t min, uint64_t max, uint64_t *out,
                               const char *problem)
{
    return span_number(text, max, out) && *out >= min ? NULL : problem;
}

/* Up to the port: what has a fixed place. */
static const char *read_head(struct ice_candidate *candidate, struct span *line, bool *tcp)
{
    uint64_t component = 0, priority = 0, port = 0;
    struct span foundation = span_next_word(line);

    if (!span_is_ice(foundation) ||
        !span_copy(foundation, 1, candidate->foundation, sizeof candidate->foundation)) {
        return "its foundation is not 1 to 32 letters, digits, '+' and '/'";
    }
    const char *problem = read_number(span_next_word(line), 1, COMPONENT_MAX, &component,
                                      "its component is not a number from 1 to 256");
    struct span transport = span_next_word(line);
    *tcp = span_is_word(transport, "tcp");
    if (problem == NULL && !*tcp && !span_is_word(transport, "udp")) {
        problem = "its transport is neither UDP nor TCP";
    }
    if (problem == NULL) {
        problem = read_number(span_next_word(line), 1, INT32_MAX, &priority,
                              "its priority is not a number from 1 to 2147483647");
    }
    if (problem == NULL) {
        problem = read_address(candidate, span_next_word(line));
    }
    if (problem == NULL) {
        /* Port 0 is what some write for active TCP, which has no port yet (RFC 6544 §4.5: 9). */
        problem = read_number(span_next_word(line), *tcp ? 0 : 1, UINT16_MAX, &port,
                              "its port is not a number from 1 to 65535");
    }
    candidate->component = (uint16_t)component;
    candidate->priority = (uint32_t)priority;
    candidate->address.port = (uint16_t)port;
    return problem;
}

static const char *read_type(struct ice_candidate *candidate, struct span *line)
{
    if (!span_is(span_next_word(line), "typ")) {
        return "there is no \"typ\" behind its port";
    }
    struct span type = span_next_word(line);
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (span_is(type, type_names[i])) {
            candidate->type = (enum ice_candidate_type)i;
            return NULL;
        }
    }
    return "its type is none of host, srflx, prflx and relay";
}

static const char *read_tcp_type(struct ice_candidate *candidate, struct span value)
{
    for (size_t i = ICE_TCP_ACTIVE; i < TRANSPORT_COUNT; i++) {
        if (span_is(value, tcp_names[i])) {
            candidate->transport = (enum ice_candidate_transport)i;
            return NULL;
        }
    }
    return "its tcptype is none of active, passive and so";
}

/* What browsers add besides (generation, network-id, network-cost) says nothing to us. */
static const char *read_extension(struct ice_candidate *candidate, struct span name,
                                  struct span value, bool tcp, bool *has_port)
{
    uint64_t port = 0;

    if (span_is(name, "raddr")) {
        /* A name here hides an address, as 0.0.0.0 does. */
        struct stun_address ip = {0};
        if (!read_ip(&ip, value) && !is_host_name(value)) {
            return "its raddr is not an IP address";
        }
        ip.port = candidate->related.port;
        candidate->related = ip;
    } else if (span_is(name, "rport")) {
        if (!span_number(value, UINT16_MAX, &port)) {
            return "its rport is not a number from 0 to 65535";
        }
        candidate->related.port = (uint16_t)port;
        *has_port = true;
    } else if (span_is(name, "tcptype") && tcp) {
        return read_tcp_type(candidate, value);
    } else if (span_is(name, "ufrag")) {
        if (!span_is_ice(value) ||
            !span_copy(value, UFRAG_SIZE_MIN, candidate->ufrag, sizeof candidate->ufrag)) {
            return "its ufrag is not 4 to 256 letters, digits, '+' and '/'";
        }
    }
    return NULL;
}

static const char *read_extensions(struct ice_candidate *candidate, struct span *line, bool tcp)
{
    bool has_port = false;

    for (struct span name = span_next_word(line); name.size > 0; name = span_next_word(line)) {
        struct span value = span_next_word(line);
        if (value.size == 0) {
            return "its last word has no value";
        }
        const char *problem = read_extension(candidate, name, value, tcp, &has_port);
        if (problem != NULL) {
            return problem;
        }
    }
    if (tcp && candidate->transport == ICE_UDP) {
        return "it has no tcptype";
    }
    if (candidate->related.family == STUN_FAMILY_NONE) {
        candidate->related.port = 0;
    } else if (!has_port) {
        return "it has a raddr and no rport";
    }
    return NULL;
}

static bool is_one_line(struct span line)
{
    for (size_t i = 0; i < line.size; i++) {
        uint8_t byte = (uint8_t)line.at[i];
        if (byte < 0x20 || byte == 0x7F) {
            return false;
        }
    }
    return true;
}

const char *candidate_parse(struct ice_candidate *out, const char *text, size_t size)
{
    struct ice_candidate candidate = {0};
    struct span line = {text, size};
    bool tcp = false;

    if (line.size > 0 && line.at[line.size - 1] == '\n') {
        line.size--;
    }
    if (line.size > 0 && line.at[line.size - 1] == '\r') {
        line.size--;
    }
    if (line.size > LINE_SIZE_MAX) {
        return "it is longer than 2048 bytes";
    }
    if (!is_one_line(line)) {
        return "there are control characters in it";
    }
    (void)span_skip(&line, "a=");
    if (!span_skip(&line, "candidate:")) {
        return "it does not begin with \"candidate:\"";
    }
    const char *problem = read_head(&candidate, &line, &tcp);
    if (problem == NULL) {
        problem = read_type(&candidate, &line);
    }
    if (problem == NULL) {
        problem = read_extensions(&candidate, &line, tcp);
    }
    if (problem == NULL) {
        *out = candidate;
    }
    return problem;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

size_t candidate_format(const struct ice_candidate *candidate,
                        char text[static ICE_CANDIDATE_TEXT_SIZE])
{
    struct text_buffer buffer;
    char ip[ADDRESS_TEXT_SIZE];
    bool named = candidate->address.family == STUN_FAMILY_NONE;
    bool tcp = candidate->transport != ICE_UDP;

    text_buffer_init_fixed(&buffer, text, ICE_CANDIDATE_TEXT_SIZE);
    text_buffer_put_format(&buffer, "candidate:%s %u %s %u %s %u typ %s", candidate->foundation,
                           candidate->component, tcp ? "tcp" : "udp", candidate->priority,
                           named ? candidate->name : address_format_ip(&candidate->address, ip),
                           candidate->address.port, candidate_type_text(candidate->type));
    if (candidate->related.family != STUN_FAMILY_NONE) {
        text_buffer_put_format(&buffer, " raddr %s rport %u",
                               address_format_ip(&candidate->related, ip), candidate->related.port);
    }
    if (tcp) {
        text_buffer_put_format(&buffer, " tcptype %s", tcp_names[candidate->transport]);
    }
    if (candidate->ufrag[0] != '\0') {
        text_buffer_put_format(&buffer, " ufrag %s", candidate->ufrag);
    }
    return text_buffer_finish(&buffer) != NULL ? buffer.size : 0;
}
