/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/wire_internal.h"

struct name {
    int number;
    const char *text;
};

static const char *look_up(const struct name *names, size_t count, int number, const char *absent)
{
    for (size_t i = 0; i < count; i++)
        if (names[i].number == number)
            return names[i].text;
    return absent;
}

#define LOOK_UP(names, number, absent) \
    look_up(names, sizeof(names) / sizeof *(names), number, absent)

static const struct name methods[] = {
    {STUN_BINDING, "Binding"},
    {STUN_ALLOCATE, "Allocate"},
    {STUN_REFRESH, "Refresh"},
    {STUN_SEND, "Send"},
    {STUN_DATA, "Data"},
    {STUN_CREATE_PERMISSION, "CreatePermission"},
    {STUN_CHANNEL_BIND, "ChannelBind"},
    {STUN_CONNECT, "Connect"},
    {STUN_CONNECTION_BIND, "ConnectionBind"},
    {STUN_CONNECTION_ATTEMPT, "ConnectionAttempt"},
};

static const struct name attributes[] = {
    {STUN_MAPPED_ADDRESS, "MAPPED-ADDRESS"},
    {STUN_RESPONSE_ADDRESS, "RESPONSE-ADDRESS"},
    {STUN_CHANGE_REQUEST, "CHANGE-REQUEST"},
    {STUN_SOURCE_ADDRESS, "SOURCE-ADDRESS"},
    {STUN_CHANGED_ADDRESS, "CHANGED-ADDRESS"},
    {STUN_USERNAME, "USERNAME"},
    {STUN_MESSAGE_INTEGRITY, "MESSAGE-INTEGRITY"},
    {STUN_ERROR_CODE, "ERROR-CODE"},
    {STUN_UNKNOWN_ATTRIBUTES, "UNKNOWN-ATTRIBUTES"},
    {STUN_CHANNEL_NUMBER, "CHANNEL-NUMBER"},
    {STUN_LIFETIME, "LIFETIME"},
    {STUN_XOR_PEER_ADDRESS, "XOR-PEER-ADDRESS"},
    {STUN_DATA_VALUE, "DATA"},
    {STUN_REALM, "REALM"},
    {STUN_NONCE, "NONCE"},
    {STUN_XOR_RELAYED_ADDRESS, "XOR-RELAYED-ADDRESS"},
    {STUN_REQUESTED_ADDRESS_FAMILY, "REQUESTED-ADDRESS-FAMILY"},
    {STUN_EVEN_PORT, "EVEN-PORT"},
    {STUN_REQUESTED_TRANSPORT, "REQUESTED-TRANSPORT"},
    {STUN_DONT_FRAGMENT, "DONT-FRAGMENT"},
    {STUN_ACCESS_TOKEN, "ACCESS-TOKEN"},
    {STUN_MESSAGE_INTEGRITY_SHA256, "MESSAGE-INTEGRITY-SHA256"},
    {STUN_PASSWORD_ALGORITHM, "PASSWORD-ALGORITHM"},
    {STUN_USERHASH, "USERHASH"},
    {STUN_XOR_MAPPED_ADDRESS, "XOR-MAPPED-ADDRESS"},
    {STUN_RESERVATION_TOKEN, "RESERVATION-TOKEN"},
    {STUN_PRIORITY, "PRIORITY"},
    {STUN_USE_CANDIDATE, "USE-CANDIDATE"},
    {STUN_PADDING, "PADDING"},
    {STUN_RESPONSE_PORT, "RESPONSE-PORT"},
    {STUN_CONNECTION_ID, "CONNECTION-ID"},
    {STUN_ADDITIONAL_ADDRESS_FAMILY, "ADDITIONAL-ADDRESS-FAMILY"},
    {STUN_ADDRESS_ERROR_CODE, "ADDRESS-ERROR-CODE"},
    {STUN_PASSWORD_ALGORITHMS, "PASSWORD-ALGORITHMS"},
    {STUN_ALTERNATE_DOMAIN, "ALTERNATE-DOMAIN"},
    {STUN_ICMP, "ICMP"},
    {STUN_SOFTWARE, "SOFTWARE"},
    {STUN_ALTERNATE_SERVER, "ALTERNATE-SERVER"},
    {STUN_CACHE_TIMEOUT, "CACHE-TIMEOUT"},
    {STUN_FINGERPRINT, "FINGERPRINT"},
    {STUN_ICE_CONTROLLED, "ICE-CONTROLLED"},
    {STUN_ICE_CONTROLLING, "ICE-CONTROLLING"},
    {STUN_RESPONSE_ORIGIN, "RESPONSE-ORIGIN"},
    {STUN_OTHER_ADDRESS, "OTHER-ADDRESS"},
    {STUN_THIRD_PARTY_AUTHORIZATION, "THIRD-PARTY-AUTHORIZATION"},
    {STUN_ORIGIN, "ORIGIN"},
    {STUN_MOBILITY_TICKET, "MOBILITY-TICKET"},
};

static const struct name reasons[] = {
    {300, "Try Alternate"},                  /* RFC 8489 §14.8 */
    {400, "Bad Request"},                    /* RFC 8489 §14.8 */
    {401, "Unauthenticated"},                /* RFC 8489 §14.8 */
    {403, "Forbidden"},                      /* RFC 8656 §19 */
    {405, "Mobility Forbidden"},             /* RFC 8016 §3.5 */
    {420, "Unknown Attribute"},              /* RFC 8489 §14.8 */
    {437, "Allocation Mismatch"},            /* RFC 8656 §19 */
    {438, "Stale Nonce"},                    /* RFC 8489 §14.8 */
    {440, "Address Family not Supported"},   /* RFC 8656 §19 */
    {441, "Wrong Credentials"},              /* RFC 8656 §19 */
    {442, "Unsupported Transport Protocol"}, /* RFC 8656 §19 */
    {443, "Peer Address Family Mismatch"},   /* RFC 8656 §19 */
    {446, "Connection Already Exists"},      /* RFC 6062 §6.3 */
    {447, "Connection Timeout or Failure"},  /* RFC 6062 §6.3 */
    {486, "Allocation Quota Reached"},       /* RFC 8656 §19 */
    {487, "Role Conflict"},                  /* RFC 8445 §16.2 */
    {500, "Server Error"},                   /* RFC 8489 §14.8 */
    {508, "Insufficient Capacity"},          /* RFC 8656 §19 */
};

static const struct name statuses[] = {
    {STUN_OK, "success"},
    {STUN_ERROR_TRUNCATED, "the message is not whole"},
    {STUN_ERROR_NOT_STUN, "this is not a STUN message"},
    {STUN_ERROR_MALFORMED, "the message is malformed"},
    {STUN_ERROR_TOO_MANY, "the message has too many attributes"},
    {STUN_ERROR_ABSENT, "the attribute is absent"},
    {STUN_ERROR_VALUE, "the value is not valid"},
    {STUN_ERROR_NO_SPACE, "the buffer is full"},
    {STUN_ERROR_MISMATCH, "the integrity or fingerprint is wrong"},
    {STUN_ERROR_ORDER, "the message is already closed by integrity or fingerprint"},
    {STUN_ERROR_CRYPTO, "the cryptographic library failed"},
};

const char *stun_method_name(uint16_t method)
{
    return LOOK_UP(methods, method, "unknown");
}

const char *stun_attribute_name(uint16_t type)
{
    return LOOK_UP(attributes, type, "unknown");
}

const char *stun_error_reason(uint16_t code)
{
    return LOOK_UP(reasons, code, "");
}

const char *stun_status_text(int status)
{
    return LOOK_UP(statuses, status, "unknown");
}
