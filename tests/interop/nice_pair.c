/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two agents of libnice in one process that may use relays only: they gather, connect through the
 * TURN server, and send payloads of several sizes to each other and back.
 *
 *     nice_pair PORT udp|tcp USER PASSWORD
 *
 * Prints the kind of the pair that was chosen and how many payloads came back; status 0: all did.
 */
#include <agent.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT NICE_COMPONENT_TYPE_RTP
#define GIVE_UP_S 20

static const guint sizes[] = {1, 3, 4, 160, 1200};
#define SIZE_COUNT (sizeof sizes / sizeof sizes[0])

static GMainLoop *loop;
static struct side {
    NiceAgent *agent;
    guint stream;
    gboolean gathered, ready;
} sides[2];
static guint sent, returned;
static gchar payload[1200];

static void send_next(void)
{
    if (sent == SIZE_COUNT) {
        g_main_loop_quit(loop);
        return;
    }
    memset(payload, 'a' + (int)sent, sizes[sent]);
    nice_agent_send(sides[0].agent, sides[0].stream, COMPONENT, sizes[sent], payload);
    sent++;
}

static void on_received(NiceAgent *agent, guint stream, guint component, guint size, gchar *bytes,
                        gpointer context)
{
    const struct side *side = context;
    if (side == &sides[1]) {
        nice_agent_send(agent, stream, component, size, bytes);
        return;
    }
    returned += size == sizes[sent - 1] && memcmp(bytes, payload, size) == 0;
    send_next();
}

static void tell(const struct side *from, const struct side *to)
{
    gchar *user, *password;
    GSList *candidates = nice_agent_get_local_candidates(from->agent, from->stream, COMPONENT);
    nice_agent_get_local_credentials(from->agent, from->stream, &user, &password);
    nice_agent_set_remote_credentials(to->agent, to->stream, user, password);
    if (nice_agent_set_remote_candidates(to->agent, to->stream, COMPONENT, candidates) < 1) {
        printf("no candidate was taken\n");
        g_main_loop_quit(loop);
    }
    g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
    g_free(user);
    g_free(password);
}

static void on_gathered(NiceAgent *agent, guint stream, gpointer context)
{
    struct side *side = context;
    (void)agent;
    (void)stream;
    side->gathered = TRUE;
    if (sides[0].gathered && sides[1].gathered) {
        tell(&sides[0], &sides[1]);
        tell(&sides[1], &sides[0]);
    }
}

static void on_state(NiceAgent *agent, guint stream, guint component, guint state, gpointer context)
{
    struct side *side = context;
    NiceCandidate *local, *remote;
    if (state == NICE_COMPONENT_STATE_FAILED) {
        printf("failed\n");
        g_main_loop_quit(loop);
    }
    if (state != NICE_COMPONENT_STATE_READY || side->ready) {
        return;
    }
    side->ready = TRUE;
    if (nice_agent_get_selected_pair(agent, stream, component, &local, &remote)) {
        printf("pair %s %s\n", local->type == NICE_CANDIDATE_TYPE_RELAYED ? "relay" : "other",
               remote->type == NICE_CANDIDATE_TYPE_RELAYED ? "relay" : "other");
    }
    if (sides[0].ready && sides[1].ready) {
        send_next();
    }
}

static gboolean on_give_up(gpointer context)
{
    (void)context;
    printf("not in time\n");
    g_main_loop_quit(loop);
    return FALSE;
}

static void begin(struct side *side, gboolean controlling, guint port, char **argv)
{
    NiceAddress here;
    gboolean tcp = strcmp(argv[2], "tcp") == 0;
    nice_address_init(&here);
    nice_address_set_from_string(&here, "127.0.0.1");
    side->agent = nice_agent_new(g_main_loop_get_context(loop), NICE_COMPATIBILITY_RFC5245);
    g_object_set(side->agent, "controlling-mode", controlling, "force-relay", TRUE, "upnp", FALSE,
                 "ice-tcp", FALSE, NULL);
    nice_agent_add_local_address(side->agent, &here);
    g_signal_connect(side->agent, "candidate-gathering-done", G_CALLBACK(on_gathered), side);
    g_signal_connect(side->agent, "component-state-changed", G_CALLBACK(on_state), side);
    side->stream = nice_agent_add_stream(side->agent, 1);
    nice_agent_set_relay_info(side->agent, side->stream, COMPONENT, "127.0.0.1", port, argv[3],
                              argv[4], tcp ? NICE_RELAY_TYPE_TURN_TCP : NICE_RELAY_TYPE_TURN_UDP);
    nice_agent_attach_recv(side->agent, side->stream, COMPONENT, g_main_loop_get_context(loop),
                           on_received, side);
    nice_agent_gather_candidates(side->agent, side->stream);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        return 2;
    }
    loop = g_main_loop_new(NULL, FALSE);
    guint port = (guint)strtoul(argv[1], NULL, 10);
    begin(&sides[0], TRUE, port, argv);
    begin(&sides[1], FALSE, port, argv);
    g_timeout_add_seconds(GIVE_UP_S, on_give_up, NULL);
    g_main_loop_run(loop);
    printf("%u of %u came back\n", returned, (guint)SIZE_COUNT);
    g_object_unref(sides[0].agent);
    g_object_unref(sides[1].agent);
    return returned == SIZE_COUNT ? 0 : 1;
}
