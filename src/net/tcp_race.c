/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/tcp_race.h"

#include "base/address.h"
#include "net/clock.h"
#include "net/tcp_socket.h"
#include "net/timer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct attempt {
    struct tcp_race *race;
    struct event *event; /* NULL: not under way */
};

struct tcp_race {
    struct event_base *base;
    struct tcp_race_user user;
    struct address_race machine;
    struct attempt attempts[ADDRESS_RACE_MAX];
    struct event *timer;
    size_t winner;
    char problem[TCP_RACE_PROBLEM_SIZE];
};

static void drop(struct attempt *attempt)
{
    if (attempt->event != NULL) {
        event_free(attempt->event);
        attempt->event = NULL;
    }
}

static void close_attempt(struct attempt *attempt)
{
    if (attempt->event != NULL) {
        close(event_get_fd(attempt->event));
        drop(attempt);
    }
}

static void note(struct tcp_race *race, size_t place, const char *problem)
{
    char address[ADDRESS_TEXT_SIZE];
    size_t size = strlen(race->problem);
    snprintf(race->problem + size, sizeof race->problem - size, "%s%s: %s", size > 0 ? "; " : "",
             address_format(&race->machine.addresses[place], address), problem);
}

static void fail(struct tcp_race *race, size_t place, const char *problem)
{
    note(race, place, problem);
    address_race_failed(&race->machine, clock_now(), place);
}

static void win(struct tcp_race *race, size_t place)
{
    int descriptor = event_get_fd(race->attempts[place].event);
    drop(&race->attempts[place]);
    for (size_t i = 0; i < ADDRESS_RACE_MAX; i++) {
        close_attempt(&race->attempts[i]);
    }
    address_race_won(&race->machine, place);
    race->winner = place;
    evtimer_del(race->timer);
    race->user.won(race->user.context, descriptor, &race->machine.addresses[place]);
}

static void on_connected(evutil_socket_t descriptor, short what, void *context)
{
    struct attempt *attempt = context;
    struct tcp_race *race = attempt->race;
    size_t place = (size_t)(attempt - race->attempts);
    int error = 0;
    socklen_t size = sizeof error;
    (void)what;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error == 0) {
        win(race, place);
        return;
    }
    close_attempt(attempt);
    fail(race, place, strerror(error));
    event_active(race->timer, EV_TIMEOUT, 0);
}

/* Returns 0 or -errno. */
static int begin(struct tcp_race *race, size_t place)
{
    struct attempt *attempt = &race->attempts[place];
    int descriptor;
    int status = tcp_socket_connect(&descriptor, &race->machine.addresses[place], NULL);
    if (status != 0) {
        return status;
    }
    attempt->race = race;
    attempt->event = event_new(race->base, descriptor, EV_WRITE, on_connected, attempt);
    if (attempt->event == NULL || event_add(attempt->event, NULL) != 0) {
        drop(attempt);
        close(descriptor);
        return -ENOMEM;
    }
    return 0;
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
    struct tcp_race *race = context;
    size_t place;
    (void)descriptor;
    (void)what;
    while (address_race_expired(&race->machine, clock_now(), &place)) {
        close_attempt(&race->attempts[place]);
        note(race, place, "does not answer");
    }
    while (address_race_next(&race->machine, clock_now(), &place)) {
        int status = begin(race, place);
        if (status != 0) {
            fail(race, place, strerror(-status));
        }
    }
    if (address_race_is_lost(&race->machine)) {
        race->user.lost(race->user.context, race->problem);
    } else {
        timer_arm(race->timer, clock_now(), address_race_due(&race->machine));
    }
}

struct tcp_race *tcp_race_new(struct event_base *base, const struct stun_address *addresses,
                              size_t count, int64_t patience_ms, const struct tcp_race_user *user)
{
    struct tcp_race *race = calloc(1, sizeof *race);
    if (race == NULL) {
        return NULL;
    }
    race->base = base;
    race->user = *user;
    race->timer = evtimer_new(base, on_timer, race);
    if (race->timer == NULL) {
        tcp_race_free(race);
        return NULL;
    }
    address_race_begin(&race->machine, clock_now(), addresses, count, patience_ms);
    event_active(race->timer, EV_TIMEOUT, 0);
    return race;
}

void tcp_race_free(struct tcp_race *race)
{
    if (race == NULL) {
        return;
    }
    for (size_t i = 0; i < ADDRESS_RACE_MAX; i++) {
        close_attempt(&race->attempts[i]);
    }
    if (race->timer != NULL) {
        event_free(race->timer);
    }
    free(race);
}

void tcp_race_resume(struct tcp_race *race, const char *problem)
{
    note(race, race->winner, problem);
    address_race_resume(&race->machine, clock_now(), race->winner);
    event_active(race->timer, EV_TIMEOUT, 0);
}
