/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The messages between a client and the rendezvous service: one JSON object each (RFC 8259), a line
 * over TCP and TLS, a text frame over WebSocket. docs/rendezvous.md is the protocol,
 * docs/rendezvous.schema.json what is held to it. Both ends use this.
 *
 *     signal_message_parse(&message, bytes, size, &fault)     bytes → struct, in signal_parse.c
 *     signal_message_free(&message)
 *     size = signal_message_build(&message, out, sizeof out)  struct → bytes, in signal_build.c
 *     signal_types, signal_codes, …                           names and words, in signal_names.c
 *     signal_proof                                            what a hello proves, in
 * signal_proof.h
 *
 * Keys that are not known are ignored; a key that comes twice, a text that is not UTF-8 or has a
 * zero in it, a wrong type and a number out of range make the message bad as a whole.
 */
#ifndef WIRE_SIGNAL_H
#define WIRE_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNAL_VERSION 1
#define SIGNAL_MESSAGE_MAX 16384 /* bytes, without the line's end */
#define SIGNAL_DEPTH_MAX 8       /* of arrays and objects in each other */

/* The longest texts in bytes, each without its zero. */
#define SIGNAL_RID_MAX 64
#define SIGNAL_ID_MAX 43    /* call, session, resume, nonce: letters, digits, '-' and '_' */
#define SIGNAL_NAME_MAX 255 /* names and users */
#define SIGNAL_TOKEN_MAX 1024
#define SIGNAL_SDP_MAX 15360
#define SIGNAL_CANDIDATE_MAX 1024
#define SIGNAL_WORD_MAX 64  /* codes, reasons, methods, mids */
#define SIGNAL_TEXT_MAX 512 /* text for people, URLs */

#define SIGNAL_ALLOW_MAX 16
#define SIGNAL_METHODS_MAX 8
#define SIGNAL_ICE_SERVERS_MAX 8
#define SIGNAL_ALGORITHMS_MAX 4 /* of a relay's challenge */
#define SIGNAL_REALM_MAX 763    /* bytes; the nonce, too: RFC 8489 §14.9 */
#define SIGNAL_URLS_MAX 8       /* of one of them */

enum signal_type {
    SIGNAL_OPEN,        /* client: the first message */
    SIGNAL_WELCOME,     /* server: answers it */
    SIGNAL_HELLO,       /* client: who it is */
    SIGNAL_REGISTERED,  /* server: answers it */
    SIGNAL_TURN,        /* client: new credentials, please; server: here they are */
    SIGNAL_CALL,        /* client; answered by ok with `call`, or an error */
    SIGNAL_INCOMING,    /* server: tells the callee */
    SIGNAL_RINGING,     /* callee, passed on */
    SIGNAL_ACCEPT,      /* callee, passed on */
    SIGNAL_REJECT,      /* callee, passed on; the call has ended */
    SIGNAL_BYE,         /* either side, passed on; or the server: the call has ended */
    SIGNAL_DESCRIPTION, /* either side, passed on */
    SIGNAL_CANDIDATE,   /* either side, passed on */
    SIGNAL_REPORT,      /* client: what came of a call, for the operator */
    SIGNAL_PING,        /* either; answered by pong */
    SIGNAL_PONG,
    SIGNAL_OK,    /* server: answers whatever had a `rid` and has no answer of its own */
    SIGNAL_ERROR, /* server */
    SIGNAL_TYPE_COUNT,
};

/* The published list: signal_code_name() is what goes over the wire. */
enum signal_code {
    SIGNAL_BAD_MESSAGE,         /* not JSON, a wrong type or range, a member missing */
    SIGNAL_TOO_LARGE,           /* more than SIGNAL_MESSAGE_MAX; the connection ends */
    SIGNAL_UNKNOWN_TYPE,        /* a message that this server does not know */
    SIGNAL_BAD_STATE,           /* a message that does not fit in here: call before hello */
    SIGNAL_UNSUPPORTED_VERSION, /* the connection ends */
    SIGNAL_UNAUTHORIZED,        /* user, proof, token or signature are not good */
    SIGNAL_FORBIDDEN_NAME,      /* the name is not this account's */
    SIGNAL_UNAVAILABLE,         /* nobody of that name who may be called: absent or forbidden */
    SIGNAL_BUSY,                /* one of both has too many calls */
    SIGNAL_UNKNOWN_CALL,        /* no call of that id that is this session's */
    SIGNAL_RATE_LIMITED,        /* `retry_after` says when */
    SIGNAL_QUEUE_FULL,          /* the other side does not read fast enough */
    SIGNAL_REPLACED,            /* the name was registered anew; do not come back by yourself */
    SIGNAL_TIMED_OUT,           /* no hello in time, or two pings without an answer */
    SIGNAL_FULL,                /* the server has as many sessions as it may have */
    SIGNAL_TRY_LATER,           /* users cannot be looked up now */
    SIGNAL_SHUTTING_DOWN,       /* come back soon */
    SIGNAL_CODE_COUNT,
    SIGNAL_CODE_UNKNOWN = SIGNAL_CODE_COUNT, /* parsed: a code that is not in the list */
};

/* How a hello shows who it is; `welcome` lists those that are taken. */
enum signal_method {
    SIGNAL_METHOD_SHA256,  /* "SHA-256": proof with the key SHA-256(user:realm:password) */
    SIGNAL_METHOD_MD5,     /* "MD5": proof with the key MD5(user:realm:password) */
    SIGNAL_METHOD_TOKEN,   /* "token": bearer, made by a web back end */
    SIGNAL_METHOD_ED25519, /* "Ed25519": signature of a key */
    SIGNAL_METHOD_COUNT,
};

/* RTCSessionDescriptionInit. Absent when both are NULL. */
struct signal_description {
    const char *type; /* offer, answer, pranswer, rollback */
    const char *sdp;  /* opaque */
};

/* RTCIceCandidateInit. */
struct signal_candidate {
    const char *candidate; /* "" : no more candidates of this generation; NULL: the same, as null */
    const char *sdp_mid;   /* NULL: none */
    const char *username_fragment; /* NULL: none */
    int32_t sdp_mline_index;       /* -1: none, else 0..65535 */
};

/* RTCIceServer, and what the relay's challenge will say: browsers pass over that. */
struct signal_ice_server {
    const char *urls[SIGNAL_URLS_MAX];
    size_t url_count;
    const char *username, *credential; /* NULL: none */
    struct signal_challenge {
        const char *realm, *nonce;                     /* realm NULL: not told */
        const char *algorithms[SIGNAL_ALGORITHMS_MAX]; /* names of STUN's registry, in order */
        size_t algorithm_count;
    } challenge;
};

struct signal_ice_servers {
    struct signal_ice_server servers[SIGNAL_ICE_SERVERS_MAX];
    size_t count;
    uint32_t ttl_s; /* for how long the credentials are good */
};

/*
 * One message. `rid` is the client's and comes back in the answer; `call` is there in the types
 * from SIGNAL_INCOMING to SIGNAL_REPORT, and in the answer to SIGNAL_CALL. A text is NULL when it
 * is absent, and ends with zero. To build, fill with texts of your own; `storage` is parse's.
 */
struct signal_message {
    enum signal_type type;
    const char *rid;
    const char *call;
    union {
        struct {
            uint32_t version;
        } open;
        struct {
            uint32_t version;
            const char *server;                             /* its software, or NULL */
            const char *realm;                              /* for keys made of passwords */
            enum signal_method methods[SIGNAL_METHODS_MAX]; /* unknown ones are left out */
            size_t method_count;
            const char *nonce;
            uint32_t ping_s; /* the server pings when it has heard nothing for so long */
        } welcome;
        struct {
            uint32_t version;
            const char *name; /* to be called by; NULL: the account's own */
            enum signal_method method;
            const char *user, *realm, *proof;    /* SHA256 and MD5; realm NULL: that of welcome */
            const char *token;                   /* TOKEN */
            const char *pub, *sig;               /* ED25519: base64url, 32 and 64 bytes */
            const char *resume;                  /* NULL: a new session */
            const char *allow[SIGNAL_ALLOW_MAX]; /* who may call */
            size_t allow_count;
            bool has_allow; /* false: whoever the server lets */
        } hello;
        struct {
            const char *name, *session, *resume;
            const char *reflexive; /* "192.0.2.1:1414": where the connection came from */
            struct signal_ice_servers ice;
            uint32_t resume_s; /* for how long `resume` is good after the connection broke */
            bool resumed;      /* the session is the old one, with its calls */
        } registered;
        struct {
            struct signal_ice_servers ice; /* of the answer; count 0: the request */
        } turn;
        struct {
            const char *to;
            struct signal_description description; /* may be absent */
        } invite;                                  /* SIGNAL_CALL */
        struct {
            const char *from;                      /* the caller's name, by the server's word */
            struct signal_description description; /* may be absent */
        } incoming;
        struct {
            struct signal_description description; /* may be absent */
        } accept;
        struct {
            const char *reason; /* a word, or NULL; see signal_reason… in docs/rendezvous.md */
        } end;                  /* SIGNAL_REJECT, SIGNAL_BYE */
        struct signal_description description;
        struct signal_candidate candidate;
        struct {
            const char *path; /* direct, relay, none */
            double ms;        /* from call to the first data; negative: absent */
            double rtt;       /* milliseconds; negative: absent */
        } report;
        struct {
            enum signal_code code;
            const char *code_name;  /* parsed: as it was written; built: NULL means by `code` */
            const char *message;    /* for people; built: NULL means the code's own words */
            uint32_t retry_after_s; /* 0: absent */
        } error;
    };
    void *storage; /* owned: what the texts point into; NULL in a message that was not parsed */
};

/* What is wrong with bytes that do not parse: enough for a clear answer. */
struct signal_fault {
    enum signal_code code;        /* BAD_MESSAGE, TOO_LARGE or UNKNOWN_TYPE */
    char problem[96];             /* such as "call.to: expected a name of at most 255 bytes" */
    char rid[SIGNAL_RID_MAX + 1]; /* of the message if it could be read, else "" */
};

/*
 * Reads one message. `size` counts neither a line's end nor a zero. Returns true; free with
 * signal_message_free. Returns false with `fault` filled in (NULL is allowed) and `message` zeroed,
 * when the bytes are bad or memory is out.
 */
bool signal_message_parse(struct signal_message *message, const char *bytes, size_t size,
                          struct signal_fault *fault);
/* NULL when this build reads messages; else says what to install. Static. */
const char *signal_absent(void);
/* Frees what the texts point into. A zeroed message, or one that was not parsed, is allowed. */
void signal_message_free(struct signal_message *message);

/*
 * Writes the message as JSON on one line, without its end and with no zero counted. Returns its
 * size, or 0 when it does not fit into `capacity` (at most SIGNAL_MESSAGE_MAX is written). `out`
 * ends with zero when it fits.
 */
size_t signal_message_build(const struct signal_message *message, char *out, size_t capacity);

struct json_writer;
/* Writes one server as a browser's RTCIceServer, an element of a list that the caller has begun. */
void signal_put_ice_server(struct json_writer *json, const struct signal_ice_server *server);

/* "hello", "unavailable", "SHA-256"; valid for every value below the count. */
const char *signal_type_name(enum signal_type type);
const char *signal_code_name(enum signal_code code);
const char *signal_method_name(enum signal_method method);
/* What an error code means, for people: one sentence without its period. */
const char *signal_code_words(enum signal_code code);
/* Returns the count of its kind when there is no such name. */
enum signal_type signal_type_find(const char *name);
enum signal_code signal_code_find(const char *name);
enum signal_method signal_method_find(const char *name);

#endif
