/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a run of stunclient did not end well: for people, for scripts, and for the shell. */
#ifndef STUNCLIENT_FAILURE_H
#define STUNCLIENT_FAILURE_H

/* Exit statuses; stunclient(1) documents them. */
enum exit_status {
    EXIT_OK = 0,
    EXIT_DEGRADED = 1,       /* it works, but packets are lost or a part failed */
    EXIT_USAGE = 2,          /* the command line is wrong */
    EXIT_NAME = 3,           /* the name could not be resolved */
    EXIT_NO_REPLY = 4,       /* nothing answered in time, or nothing listens there */
    EXIT_TLS = 5,            /* TLS or DTLS failed */
    EXIT_AUTHENTICATION = 6, /* name or password refused, or missing */
    EXIT_REFUSED = 7,        /* the server answered with an error */
    EXIT_INCONCLUSIVE = 8,   /* the server or the network leave it unknown */
    EXIT_NO_CONNECTION = 9,  /* no connection with the peer came about */
    EXIT_IDENTITY = 10,      /* the peer is not who it was before */
};

#define FAILURE_TEXT_SIZE 512

struct failure {
    enum exit_status status;        /* EXIT_OK: nothing failed, and the rest is empty */
    const char *code;               /* one word for scripts: "no-reply" */
    char text[FAILURE_TEXT_SIZE];   /* what happened and why */
    char advice[FAILURE_TEXT_SIZE]; /* what to do next; may be empty */
};

/* Sets status and text, and empties the advice. */
void failure_set(struct failure *failure, enum exit_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void failure_advise(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
