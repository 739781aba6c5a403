/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/ice/ice_internal.h"

#include <stdio.h>
#include <string.h>

static bool is_trace(enum ice_event_type type)
{
    return type >= ICE_TRACE_OPENER;
}

static struct ice_event_entry *entry_at(struct ice_agent *agent, size_t offset)
{
    return &agent->events[(agent->event_first + offset) % ICE_EVENTS_MAX];
}

static void remove_entry(struct ice_agent *agent, size_t offset)
{
    for (size_t i = offset; i + 1 < agent->event_count; i++) {
        *entry_at(agent, i) = *entry_at(agent, i + 1);
    }
    agent->event_count--;
}

/*
 * The queue is longer than all that somebody must act on in one call of the agent. A shell that
 * does not drain it loses traces first, then the older of two words of one kind.
 */
static void make_room(struct ice_agent *agent, enum ice_event_type type)
{
    for (size_t i = 0; i < agent->event_count; i++) {
        if (is_trace(entry_at(agent, i)->type)) {
            remove_entry(agent, i);
            return;
        }
    }
    for (size_t i = 0; i < agent->event_count; i++) {
        if (entry_at(agent, i)->type == type) {
            remove_entry(agent, i);
            return;
        }
    }
    remove_entry(agent, 0);
}

struct ice_event_entry *ice_event_add(struct ice_agent *agent, enum ice_event_type type)
{
    if (is_trace(type) && agent->event_count >= ICE_TRACES_MAX) {
        agent->dropped_event = (struct ice_event_entry){.type = type};
        return &agent->dropped_event;
    }
    if (agent->event_count == ICE_EVENTS_MAX) {
        make_room(agent, type);
    }
    struct ice_event_entry *entry = entry_at(agent, agent->event_count++);
    *entry = (struct ice_event_entry){.type = type, .rtt_us = -1};
    return entry;
}

struct ice_event_entry *ice_event_add_pair(struct ice_agent *agent, enum ice_event_type type,
                                           const struct ice_pair *pair)
{
    struct ice_event_entry *entry = ice_event_add(agent, type);
    ice_pair_describe(agent, pair, &entry->local, &entry->remote);
    entry->rtt_us = pair->rtt_us;
    entry->nominated = pair->nominated;
    entry->server_transport = agent->bases[pair->base].server_transport;
    entry->hops = pair->hops;
    return entry;
}

static void expand(struct ice_candidate *out, const struct ice_endpoint *endpoint)
{
    out->type = endpoint->type;
    out->transport = ICE_UDP;
    out->component = 1;
    out->priority = endpoint->priority;
    out->address = endpoint->address;
    out->related = endpoint->related;
    memcpy(out->foundation, endpoint->foundation, sizeof out->foundation);
}

void ice_event_describe_pair(const struct ice_event_entry *entry, struct ice_pair_report *out)
{
    memset(out, 0, sizeof *out);
    expand(&out->local, &entry->local);
    expand(&out->remote, &entry->remote);
    out->server_transport = entry->server_transport;
    out->rtt_us = entry->rtt_us;
    out->nominated = entry->nominated;
}

bool ice_event(struct ice_agent *agent, struct ice_event *event)
{
    if (agent->event_count == 0) {
        return false;
    }
    const struct ice_event_entry *entry = entry_at(agent, 0);
    memset(event, 0, sizeof *event);
    event->type = entry->type;
    ice_event_describe_pair(entry, &event->pair);
    if (entry->type == ICE_LOCAL_CANDIDATE) {
        expand(&event->candidate, &entry->local);
        snprintf(event->candidate.ufrag, sizeof event->candidate.ufrag, "%s", agent->local.ufrag);
    }
    event->request = entry->request;
    event->number = entry->number;
    event->transport = entry->transport;
    event->hops = entry->hops;
    event->address = entry->address;
    memcpy(event->failure_text, entry->failure_text, sizeof event->failure_text);
    agent->event_first = (agent->event_first + 1) % ICE_EVENTS_MAX;
    agent->event_count--;
    return true;
}
