/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libpostern: a codec for STUN and TURN messages, without I/O.
 *
 *   reading    stun_first_byte, stun_stream_next, stun_view_parse, stun_view_find         (view.c)
 *   values     stun_view_u8 … stun_view_password_algorithms                       (attributes.c)
 *   keys       stun_crypto_*, stun_key_*, stun_userhash                                (crypto.c)
 *   checking   stun_view_check_*                                                   (integrity.c)
 *   writing    stun_builder_*                                                        (builder.c)
 *   channels   stun_channel_parse, stun_channel_write                                (channel.c)
 *   names      stun_method_name, stun_attribute_name, stun_error_reason,
 *              stun_status_text                                                        (names.c)
 *
 * A view borrows the bytes that it was parsed from and dies with them. A builder writes into the
 * caller's buffer; after its first failure it ignores every further call, so that only
 * stun_builder_finish needs a test. Nothing here allocates, but stun_crypto_new.
 *
 * No function keeps state of its own; one struct stun_crypto must not be used by two threads at
 * the same time.
 */
#ifndef POSTERN_STUN_H
#define POSTERN_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <postern/address.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef POSTERN_API
#define POSTERN_API
#endif

#define STUN_HEADER_SIZE 20
#define STUN_TRANSACTION_ID_SIZE 12
#define STUN_MAGIC_COOKIE 0x2112A442u
#define STUN_MESSAGE_SIZE_MAX (STUN_HEADER_SIZE + 65532)
#define STUN_CHANNEL_HEADER_SIZE 4
#define STUN_CHANNEL_MIN 0x4000 /* RFC 8656 §12 */
#define STUN_CHANNEL_MAX 0x4FFF
#define STUN_CHANNEL_RFC5766_MAX 0x7FFF /* RFC 5766 §11: older clients choose from these */
#define STUN_SHA1_SIZE 20
#define STUN_SHA256_SIZE 32
#define STUN_USERNAME_SIZE_MAX 513 /* bytes: fewer than 509 by RFC 8489 §14.3, 513 by RFC 5389 */
#define STUN_ATTRIBUTES_MAX 32     /* attributes of one message that a view can index */
#define STUN_UNKNOWN_MAX 16        /* types that one UNKNOWN-ATTRIBUTES lists */
#define STUN_PASSWORD_ALGORITHMS_MAX 8 /* entries of PASSWORD-ALGORITHMS that are read */

/* Negative results of every function here that returns int. */
enum stun_status {
    STUN_OK = 0,
    STUN_ERROR_TRUNCATED = -1, /* fewer bytes than the length field promises, or than a header */
    STUN_ERROR_NOT_STUN = -2,  /* first two bits or magic cookie say that this is something else */
    STUN_ERROR_MALFORMED = -3, /* a length, padding or order that the RFC forbids */
    STUN_ERROR_TOO_MANY = -4,  /* more than STUN_ATTRIBUTES_MAX attributes */
    STUN_ERROR_ABSENT = -5,    /* no such attribute */
    STUN_ERROR_VALUE = -6,     /* the attribute is there, but its value is not valid */
    STUN_ERROR_NO_SPACE = -7,  /* the buffer is full */
    STUN_ERROR_MISMATCH = -8,  /* integrity or fingerprint is wrong */
    STUN_ERROR_ORDER = -9,     /* the builder was asked to put an attribute after integrity */
    STUN_ERROR_CRYPTO = -10,   /* the cryptographic library failed */
};

enum stun_class {
    STUN_REQUEST = 0,
    STUN_INDICATION = 1,
    STUN_SUCCESS = 2,
    STUN_ERROR = 3,
};

enum stun_method {
    STUN_BINDING = 0x001,            /* RFC 8489 */
    STUN_ALLOCATE = 0x003,           /* RFC 8656 */
    STUN_REFRESH = 0x004,            /* RFC 8656 */
    STUN_SEND = 0x006,               /* RFC 8656 */
    STUN_DATA = 0x007,               /* RFC 8656 */
    STUN_CREATE_PERMISSION = 0x008,  /* RFC 8656 */
    STUN_CHANNEL_BIND = 0x009,       /* RFC 8656 */
    STUN_CONNECT = 0x00A,            /* RFC 6062 */
    STUN_CONNECTION_BIND = 0x00B,    /* RFC 6062 */
    STUN_CONNECTION_ATTEMPT = 0x00C, /* RFC 6062 */
};

/* Types below 0x8000 are comprehension-required (RFC 8489 §14). */
enum stun_attribute {
    STUN_MAPPED_ADDRESS = 0x0001,            /* RFC 8489 */
    STUN_RESPONSE_ADDRESS = 0x0002,          /* RFC 3489 */
    STUN_CHANGE_REQUEST = 0x0003,            /* RFC 5780 */
    STUN_SOURCE_ADDRESS = 0x0004,            /* RFC 3489 */
    STUN_CHANGED_ADDRESS = 0x0005,           /* RFC 3489 */
    STUN_USERNAME = 0x0006,                  /* RFC 8489 */
    STUN_MESSAGE_INTEGRITY = 0x0008,         /* RFC 8489 */
    STUN_ERROR_CODE = 0x0009,                /* RFC 8489 */
    STUN_UNKNOWN_ATTRIBUTES = 0x000A,        /* RFC 8489 */
    STUN_CHANNEL_NUMBER = 0x000C,            /* RFC 8656 */
    STUN_LIFETIME = 0x000D,                  /* RFC 8656 */
    STUN_XOR_PEER_ADDRESS = 0x0012,          /* RFC 8656 */
    STUN_DATA_VALUE = 0x0013,                /* RFC 8656 */
    STUN_REALM = 0x0014,                     /* RFC 8489 */
    STUN_NONCE = 0x0015,                     /* RFC 8489 */
    STUN_XOR_RELAYED_ADDRESS = 0x0016,       /* RFC 8656 */
    STUN_REQUESTED_ADDRESS_FAMILY = 0x0017,  /* RFC 8656 */
    STUN_EVEN_PORT = 0x0018,                 /* RFC 8656 */
    STUN_REQUESTED_TRANSPORT = 0x0019,       /* RFC 8656 */
    STUN_DONT_FRAGMENT = 0x001A,             /* RFC 8656 */
    STUN_ACCESS_TOKEN = 0x001B,              /* RFC 7635 */
    STUN_MESSAGE_INTEGRITY_SHA256 = 0x001C,  /* RFC 8489 */
    STUN_PASSWORD_ALGORITHM = 0x001D,        /* RFC 8489 */
    STUN_USERHASH = 0x001E,                  /* RFC 8489 */
    STUN_XOR_MAPPED_ADDRESS = 0x0020,        /* RFC 8489 */
    STUN_RESERVATION_TOKEN = 0x0022,         /* RFC 8656 */
    STUN_PRIORITY = 0x0024,                  /* RFC 8445 */
    STUN_USE_CANDIDATE = 0x0025,             /* RFC 8445 */
    STUN_PADDING = 0x0026,                   /* RFC 5780 */
    STUN_RESPONSE_PORT = 0x0027,             /* RFC 5780 */
    STUN_CONNECTION_ID = 0x002A,             /* RFC 6062 */
    STUN_ADDITIONAL_ADDRESS_FAMILY = 0x8000, /* RFC 8656 */
    STUN_ADDRESS_ERROR_CODE = 0x8001,        /* RFC 8656 */
    STUN_PASSWORD_ALGORITHMS = 0x8002,       /* RFC 8489 */
    STUN_ALTERNATE_DOMAIN = 0x8003,          /* RFC 8489 */
    STUN_ICMP = 0x8004,                      /* RFC 8656 */
    STUN_SOFTWARE = 0x8022,                  /* RFC 8489 */
    STUN_ALTERNATE_SERVER = 0x8023,          /* RFC 8489 */
    STUN_CACHE_TIMEOUT = 0x8027,             /* RFC 5780 */
    STUN_FINGERPRINT = 0x8028,               /* RFC 8489 */
    STUN_ICE_CONTROLLED = 0x8029,            /* RFC 8445 */
    STUN_ICE_CONTROLLING = 0x802A,           /* RFC 8445 */
    STUN_RESPONSE_ORIGIN = 0x802B,           /* RFC 5780 */
    STUN_OTHER_ADDRESS = 0x802C,             /* RFC 5780 */
    STUN_THIRD_PARTY_AUTHORIZATION = 0x802E, /* RFC 7635 */
    STUN_ORIGIN = 0x802F,                    /* draft-johnston-tram-stun-origin */
    STUN_MOBILITY_TICKET = 0x8030,           /* RFC 8016 */
};

/* The flags of CHANGE-REQUEST (RFC 5780 §7.2). */
#define STUN_CHANGE_IP 0x4u
#define STUN_CHANGE_PORT 0x2u

/* REQUESTED-TRANSPORT: IP protocol numbers (RFC 8656 §18.8, RFC 6062 §5.1). */
#define STUN_TRANSPORT_TCP 6
#define STUN_TRANSPORT_UDP 17

/* PASSWORD-ALGORITHM numbers (RFC 8489 §18.5). */
enum stun_password_algorithm {
    STUN_PASSWORD_MD5 = 1,
    STUN_PASSWORD_SHA256 = 2,
};

/* ---- reading --------------------------------------------------------------------------------- */

/* What the first byte of a datagram announces (RFC 7983 §7, as RFC 9443 left it for STUN). */
enum stun_protocol {
    STUN_PROTOCOL_UNKNOWN,
    STUN_PROTOCOL_STUN,    /* 0..3 */
    STUN_PROTOCOL_ZRTP,    /* 16..19 */
    STUN_PROTOCOL_DTLS,    /* 20..63 */
    STUN_PROTOCOL_CHANNEL, /* 64..79 */
    STUN_PROTOCOL_RTP,     /* 128..191 */
};

POSTERN_API enum stun_protocol stun_first_byte(uint8_t byte);

/*
 * Whether a datagram or frame is ChannelData where nothing but STUN and ChannelData can come: the
 * first two bits tell (RFC 5766 §11). It takes RFC 5766's channel numbers in, up to 0x7FFF.
 */
POSTERN_API bool stun_is_channel(uint8_t first_byte);

/*
 * Finds the first frame of a byte stream: a STUN message or a ChannelData message, as RFC 8489
 * §6.2.2 and RFC 8656 §12.5 frame them (ChannelData is padded to a multiple of four on a stream).
 * A STUN message on a stream must carry the magic cookie; as much of it as has come is checked.
 *
 *   bytes, size     what has been received so far; may be empty
 *   frame_size      set to the bytes that the frame takes in the stream, padding included, as soon
 *                   as four bytes are there; 0 before, and with STUN_ERROR_NOT_STUN. At most
 *                   STUN_MESSAGE_SIZE_MAX
 *
 * Returns STUN_PROTOCOL_STUN or STUN_PROTOCOL_CHANNEL when the whole frame is there,
 * STUN_ERROR_TRUNCATED when more bytes are needed, STUN_ERROR_NOT_STUN when the stream cannot be
 * either of the two: it must be closed.
 */
POSTERN_API int stun_stream_next(const uint8_t *bytes, size_t size, size_t *frame_size);

/* One attribute in a view: its value borrows the message's bytes. */
struct stun_attribute_view {
    uint16_t type;
    uint16_t size;        /* bytes of the value, without padding */
    const uint8_t *value; /* borrowed */
};

/*
 * A message that was parsed whole: every length in it has been checked. Attributes that follow
 * MESSAGE-INTEGRITY are not listed, but MESSAGE-INTEGRITY-SHA256 and FINGERPRINT; attributes that
 * follow MESSAGE-INTEGRITY-SHA256 are not, but FINGERPRINT; nothing that follows FINGERPRINT is
 * (RFC 8489 §14.5, §14.6, §14.7). The value of padding is ignored.
 */
struct stun_view {
    const uint8_t *bytes;          /* the whole message, borrowed */
    size_t size;                   /* its size, header included */
    const uint8_t *transaction_id; /* STUN_TRANSACTION_ID_SIZE bytes, borrowed */
    uint16_t method;               /* enum stun_method, or any other 12-bit number */
    uint8_t message_class;         /* enum stun_class */
    bool classic;                  /* no magic cookie: an RFC 3489 client */
    uint8_t attribute_count;
    struct stun_attribute_view attributes[STUN_ATTRIBUTES_MAX];
};

/*
 * Parses one whole message.
 *
 *   view          filled on success; borrows `bytes`
 *   bytes, size   exactly one message: size must be STUN_HEADER_SIZE plus the length field
 *
 * A message without magic cookie is accepted as `classic` when it is otherwise well formed. The
 * length field must be a multiple of four (RFC 8489 §5; RFC 3489 §11.2 has such attributes only).
 * Returns STUN_OK, STUN_ERROR_TRUNCATED, STUN_ERROR_NOT_STUN, STUN_ERROR_MALFORMED or
 * STUN_ERROR_TOO_MANY. RFC 8489 §5, §6.3.
 */
POSTERN_API int stun_view_parse(struct stun_view *view, const uint8_t *bytes, size_t size);

/* The first visible attribute of that type, or NULL. It lives as long as the view. */
POSTERN_API const struct stun_attribute_view *stun_view_find(const struct stun_view *view,
                                                             uint16_t type);

/* Whether there is a visible attribute of that type. */
POSTERN_API bool stun_view_has(const struct stun_view *view, uint16_t type);

/*
 * Typed reads of the first attribute of a type. Each returns STUN_OK, STUN_ERROR_ABSENT, or
 * STUN_ERROR_VALUE when the value's size or content does not fit the type; the output is left
 * alone unless STUN_OK. Reserved bits are ignored, as the RFCs ask of a receiver.
 */
/* The first byte of a value of one byte (EVEN-PORT) or four (REQUESTED-TRANSPORT). */
POSTERN_API int stun_view_u8(const struct stun_view *view, uint16_t type, uint8_t *out);
/* The first two bytes of a value of two bytes or four (CHANNEL-NUMBER, RESPONSE-PORT). */
POSTERN_API int stun_view_u16(const struct stun_view *view, uint16_t type, uint16_t *out);
POSTERN_API int stun_view_u32(const struct stun_view *view, uint16_t type, uint32_t *out);
POSTERN_API int stun_view_u64(const struct stun_view *view, uint16_t type, uint64_t *out);
/*
 * The value as text: borrowed, not zero-terminated, of any size and with any bytes in it. What
 * RFC 8489 §14 allows (509 or 763 bytes of UTF-8) is the caller's to enforce.
 */
POSTERN_API int stun_view_string(const struct stun_view *view, uint16_t type, const char **text,
                                 size_t *size);
/* An address as it stands (MAPPED-ADDRESS and its like). */
POSTERN_API int stun_view_address(const struct stun_view *view, uint16_t type,
                                  struct stun_address *out);
/* An address XORed with cookie and transaction id (RFC 8489 §14.2). */
POSTERN_API int stun_view_xor_address(const struct stun_view *view, uint16_t type,
                                      struct stun_address *out);
/* The same for one attribute in hand: CreatePermission carries several XOR-PEER-ADDRESSes. */
POSTERN_API int stun_view_xor_address_of(const struct stun_view *view,
                                         const struct stun_attribute_view *attribute,
                                         struct stun_address *out);
/*
 * ERROR-CODE: code 300..699; reason borrows the message, is not zero-terminated, and may be NULL
 * with reason_size NULL when not wanted.
 */
POSTERN_API int stun_view_error(const struct stun_view *view, uint16_t *code, const char **reason,
                                size_t *reason_size);
/* ADDRESS-ERROR-CODE (RFC 8656 §18.12): as ERROR-CODE, with the family that it speaks of. */
POSTERN_API int stun_view_address_error(const struct stun_view *view, uint8_t *family,
                                        uint16_t *code, const char **reason, size_t *reason_size);
/* UNKNOWN-ATTRIBUTES: the first STUN_UNKNOWN_MAX types that it lists (RFC 8489 §14.13). */
POSTERN_API int stun_view_unknown(const struct stun_view *view, uint16_t types[STUN_UNKNOWN_MAX],
                                  size_t *count);

/*
 * What an ICMP message told the relay about a packet (RFC 8656 §18.13, which draws seven bits for
 * the type and nine for the code).
 */
struct stun_icmp {
    uint8_t type;  /* of ICMP or ICMPv6, as the peer's address family says; 0..127 */
    uint16_t code; /* 0..511 */
    uint32_t data; /* MTU of the next hop for "fragmentation needed" and "packet too big", else 0 */
};

/* ICMP. */
POSTERN_API int stun_view_icmp(const struct stun_view *view, struct stun_icmp *out);

/* One entry of PASSWORD-ALGORITHM or PASSWORD-ALGORITHMS: its parameters borrow the message. */
struct stun_password_algorithm_view {
    uint16_t algorithm;        /* enum stun_password_algorithm, or any other number */
    uint16_t parameters_size;  /* 0 for MD5 and SHA-256 */
    const uint8_t *parameters; /* borrowed */
};

/* PASSWORD-ALGORITHM (RFC 8489 §14.12). */
POSTERN_API int stun_view_password_algorithm(const struct stun_view *view,
                                             struct stun_password_algorithm_view *out);
/*
 * PASSWORD-ALGORITHMS (RFC 8489 §14.11): every length in it is checked, the first
 * STUN_PASSWORD_ALGORITHMS_MAX entries are given. An empty list is STUN_ERROR_VALUE.
 */
POSTERN_API int stun_view_password_algorithms(
    const struct stun_view *view,
    struct stun_password_algorithm_view out[STUN_PASSWORD_ALGORITHMS_MAX], size_t *count);

/*
 * Lists the comprehension-required attributes that the caller does not understand, each type once.
 *
 *   known, known_count   the types that the caller understands
 *   out                  room for STUN_UNKNOWN_MAX types
 *
 * Returns how many were written, 0..STUN_UNKNOWN_MAX. RFC 8489 §6.3.1.
 */
POSTERN_API size_t stun_view_list_unknown(const struct stun_view *view, const uint16_t *known,
                                          size_t known_count, uint16_t *out);

/* ---- keys ------------------------------------------------------------------------------------ */

/* The digest contexts that the functions below work with. One thread at a time. */
struct stun_crypto;

/* Returns NULL when memory or the cryptographic library fails; free with stun_crypto_free. */
POSTERN_API struct stun_crypto *stun_crypto_new(void);
POSTERN_API void stun_crypto_free(struct stun_crypto *crypto); /* NULL is allowed */

/* A key for MESSAGE-INTEGRITY: a password itself, or a digest made of one. */
struct stun_key {
    uint16_t size; /* bytes used, at most sizeof bytes */
    uint8_t bytes[256];
};

/*
 * The key of the short-term mechanism: the password after OpaqueString (RFC 8489 §9.1.1). The
 * caller has prepared the password. Returns STUN_OK, or STUN_ERROR_VALUE when it does not fit.
 */
POSTERN_API int stun_key_short_term(struct stun_key *key, const char *password, size_t size);

/*
 * The key of the long-term mechanism: MD5 or SHA-256 of "user:realm:password", each after
 * OpaqueString (RFC 8489 §9.2.2, §18.5.1). Strings end with zero. Returns STUN_OK,
 * STUN_ERROR_VALUE for an unknown algorithm, STUN_ERROR_CRYPTO.
 */
POSTERN_API int stun_key_long_term(struct stun_crypto *crypto, struct stun_key *key,
                                   enum stun_password_algorithm algorithm, const char *user,
                                   const char *realm, const char *password);

/* USERHASH: SHA-256 of "user:realm" (RFC 8489 §14.4). Returns STUN_OK or STUN_ERROR_CRYPTO. */
POSTERN_API int stun_userhash(struct stun_crypto *crypto, const char *user, const char *realm,
                              uint8_t out[STUN_SHA256_SIZE]);

/*
 * Checks MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 in constant time. The latter must have its
 * full 32 bytes. Returns STUN_OK, STUN_ERROR_ABSENT, STUN_ERROR_VALUE for a wrong size,
 * STUN_ERROR_MISMATCH, STUN_ERROR_CRYPTO. RFC 8489 §14.5, §14.6.
 */
POSTERN_API int stun_view_check_integrity(const struct stun_view *view, struct stun_crypto *crypto,
                                          const struct stun_key *key);
POSTERN_API int stun_view_check_integrity_sha256(const struct stun_view *view,
                                                 struct stun_crypto *crypto,
                                                 const struct stun_key *key);
/*
 * The same for a STUN usage that explicitly allows truncation, which neither TURN nor ICE does: any
 * multiple of four from `minimum` (16..32) to 32 bytes will do.
 */
POSTERN_API int stun_view_check_integrity_sha256_truncated(const struct stun_view *view,
                                                           struct stun_crypto *crypto,
                                                           const struct stun_key *key,
                                                           size_t minimum);

/*
 * Checks FINGERPRINT, which must be the last attribute. Returns STUN_OK, STUN_ERROR_ABSENT,
 * STUN_ERROR_VALUE or STUN_ERROR_MISMATCH. RFC 8489 §14.7.
 */
POSTERN_API int stun_view_check_fingerprint(const struct stun_view *view);

/* ---- writing --------------------------------------------------------------------------------- */

struct stun_builder {
    uint8_t *bytes; /* the caller's buffer */
    size_t capacity;
    size_t size;    /* bytes written so far */
    int status;     /* STUN_OK, or the first failure */
    uint8_t sealed; /* which of integrity, SHA-256 integrity and fingerprint stand already */
};

/*
 * Begins a message in `bytes`. transaction_id is STUN_TRANSACTION_ID_SIZE bytes, copied. Attributes
 * follow in the order of the calls; padding is zero.
 */
POSTERN_API void stun_builder_begin(struct stun_builder *builder, uint8_t *bytes, size_t capacity,
                                    enum stun_class message_class, uint16_t method,
                                    const uint8_t *transaction_id);
/*
 * Begins the answer to a request: its method, its transaction id, and for a classic client its
 * whole 16-byte id in place of the cookie. `message_class` is STUN_SUCCESS or STUN_ERROR.
 */
POSTERN_API void stun_builder_begin_answer(struct stun_builder *builder, uint8_t *bytes,
                                           size_t capacity, enum stun_class message_class,
                                           const struct stun_view *request);
/*
 * Any value. One of the three closing types (MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256,
 * FINGERPRINT) is copied as it is and closes the message as its own call would.
 */
POSTERN_API void stun_builder_put_bytes(struct stun_builder *builder, uint16_t type,
                                        const void *value, size_t size);
POSTERN_API void stun_builder_put_string(struct stun_builder *builder, uint16_t type,
                                         const char *text);
POSTERN_API void stun_builder_put_flag(struct stun_builder *builder, uint16_t type);
/* One byte and three zero bytes: REQUESTED-TRANSPORT, REQUESTED-ADDRESS-FAMILY and their like. */
POSTERN_API void stun_builder_put_u8_reserved(struct stun_builder *builder, uint16_t type,
                                              uint8_t value);
/* Exactly one byte: EVEN-PORT. */
POSTERN_API void stun_builder_put_u8(struct stun_builder *builder, uint16_t type, uint8_t value);
/* Two bytes and two zero bytes: CHANNEL-NUMBER, RESPONSE-PORT. */
POSTERN_API void stun_builder_put_u16_reserved(struct stun_builder *builder, uint16_t type,
                                               uint16_t value);
POSTERN_API void stun_builder_put_u32(struct stun_builder *builder, uint16_t type, uint32_t value);
POSTERN_API void stun_builder_put_u64(struct stun_builder *builder, uint16_t type, uint64_t value);
POSTERN_API void stun_builder_put_address(struct stun_builder *builder, uint16_t type,
                                          const struct stun_address *address);
POSTERN_API void stun_builder_put_xor_address(struct stun_builder *builder, uint16_t type,
                                              const struct stun_address *address);
/* ERROR-CODE; reason NULL: the RFC's own phrase. code 300..699, else STUN_ERROR_VALUE. */
POSTERN_API void stun_builder_put_error(struct stun_builder *builder, uint16_t code,
                                        const char *reason);
/* UNKNOWN-ATTRIBUTES (RFC 8489 §14.13). */
POSTERN_API void stun_builder_put_unknown(struct stun_builder *builder, const uint16_t *types,
                                          size_t count);
/* ADDRESS-ERROR-CODE (RFC 8656 §18.12). */
POSTERN_API void stun_builder_put_address_error(struct stun_builder *builder, uint8_t family,
                                                uint16_t code, const char *reason);
/* ICMP (RFC 8656 §18.13); a type or code that does not fit its bits is STUN_ERROR_VALUE. */
POSTERN_API void stun_builder_put_icmp(struct stun_builder *builder, const struct stun_icmp *icmp);
/* PASSWORD-ALGORITHM without parameters, as MD5 and SHA-256 have it (RFC 8489 §14.12, §18.5). */
POSTERN_API void stun_builder_put_password_algorithm(struct stun_builder *builder,
                                                     uint16_t algorithm);
/* PASSWORD-ALGORITHMS without parameters, most preferred first; count 0 is STUN_ERROR_VALUE. */
POSTERN_API void stun_builder_put_password_algorithms(struct stun_builder *builder,
                                                      const uint16_t *algorithms, size_t count);
/* The three that close a message, in this order; each may be left out. */
POSTERN_API void stun_builder_put_integrity(struct stun_builder *builder,
                                            struct stun_crypto *crypto, const struct stun_key *key);
POSTERN_API void stun_builder_put_integrity_sha256(struct stun_builder *builder,
                                                   struct stun_crypto *crypto,
                                                   const struct stun_key *key);
POSTERN_API void stun_builder_put_fingerprint(struct stun_builder *builder);

/* Returns the size of the finished message, or the first failure's negative status. */
POSTERN_API int stun_builder_finish(const struct stun_builder *builder);

/* ---- ChannelData (RFC 8656 §12.4) ------------------------------------------------------------ */

struct stun_channel_view {
    uint16_t channel;
    uint16_t size;       /* bytes of data */
    const uint8_t *data; /* borrowed */
};

/*
 * Parses ChannelData in a datagram or a stream frame; padding after the data is allowed. Returns
 * STUN_OK, STUN_ERROR_TRUNCATED, or STUN_ERROR_NOT_STUN for a number outside
 * STUN_CHANNEL_MIN..STUN_CHANNEL_RFC5766_MAX.
 */
POSTERN_API int stun_channel_parse(struct stun_channel_view *view, const uint8_t *bytes,
                                   size_t size);

/* Writes the header in front of data that stands already at header + STUN_CHANNEL_HEADER_SIZE. */
POSTERN_API void stun_channel_write(uint8_t *header, uint16_t channel, uint16_t size);

/* ---- names ----------------------------------------------------------------------------------- */

/* Each returns a string that lives for ever; for what is not known "unknown" (reason: ""). */
POSTERN_API const char *stun_method_name(uint16_t method);
POSTERN_API const char *stun_attribute_name(uint16_t type);
POSTERN_API const char *stun_error_reason(uint16_t code);
POSTERN_API const char *stun_status_text(int status);

#ifdef __cplusplus
}
#endif

#endif
