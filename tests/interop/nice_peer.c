/* SPDX-License-Identifier: BSD-3-Clause */
/* libnice behind the lines of tests/interop/ice_peer.c: controlling|controlled [lite] [aggressive].
 */
#include <agent.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

struct peer {
    NiceAgent *agent;
    guint stream;
    GMainLoop *loop;
    GSList *candidates;
    gboolean connected;
};

static void on_data(NiceAgent *agent, guint stream, guint component, guint size, gchar *bytes,
                    gpointer context)
{
    (void)agent;
    (void)stream;
    (void)component;
    (void)context;
    printf("data %.*s\n", (int)size, bytes);
    fflush(stdout);
}

static gboolean say_hello(gpointer context)
{
    struct peer *peer = context;
    static const char hello[] = "hello from libnice";
    if (peer->connected) {
        nice_agent_send(peer->agent, peer->stream, 1, sizeof hello - 1, hello);
    }
    return TRUE;
}

static void on_state(NiceAgent *agent, guint stream, guint component, guint state, gpointer context)
{
    struct peer *peer = context;
    (void)agent;
    (void)stream;
    (void)component;
    if (state == NICE_COMPONENT_STATE_READY) {
        puts("connected host host");
        peer->connected = TRUE;
    } else if (state == NICE_COMPONENT_STATE_FAILED) {
        puts("failed");
    }
    fflush(stdout);
}

static void on_gathered(NiceAgent *agent, guint stream, gpointer context)
{
    struct peer *peer = context;
    gchar *ufrag = NULL, *password = NULL;
    gboolean full;
    nice_agent_get_local_credentials(agent, stream, &ufrag, &password);
    g_object_get(agent, "full-mode", &full, NULL);
    printf("credentials %s %s %s\n", ufrag, password, full ? "full" : "lite");
    GSList *all = nice_agent_get_local_candidates(agent, stream, 1);
    for (GSList *one = all; one != NULL; one = one->next) {
        gchar *line = nice_agent_generate_local_candidate_sdp(agent, one->data);
        if (strstr(line, " UDP ") != NULL) {
            puts(line + 2);
        }
        g_free(line);
    }
    puts("end");
    fflush(stdout);
    g_slist_free_full(all, (GDestroyNotify)nice_candidate_free);
    g_free(ufrag);
    g_free(password);
    (void)peer;
}

static void read_line(struct peer *peer, const char *line)
{
    char ufrag[300], password[300];
    if (sscanf(line, "credentials %256s %256s", ufrag, password) == 2) {
        nice_agent_set_remote_credentials(peer->agent, peer->stream, ufrag, password);
    } else if (strcmp(line, "end") == 0) {
        nice_agent_set_remote_candidates(peer->agent, peer->stream, 1, peer->candidates);
    } else {
        char text[1024];
        snprintf(text, sizeof text, "a=%s", line);
        NiceCandidate *candidate =
            nice_agent_parse_remote_candidate_sdp(peer->agent, peer->stream, text);
        if (candidate != NULL) {
            peer->candidates = g_slist_append(peer->candidates, candidate);
        } else {
            fprintf(stderr, "libnice does not understand %s\n", text);
        }
    }
}

static gboolean on_input(GIOChannel *channel, GIOCondition condition, gpointer context)
{
    struct peer *peer = context;
    gchar *line = NULL;
    gsize end;
    (void)condition;
    if (g_io_channel_read_line(channel, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL) {
        g_main_loop_quit(peer->loop);
        return FALSE;
    }
    line[end] = '\0';
    read_line(peer, line);
    g_free(line);
    return TRUE;
}

int main(int argc, char **argv)
{
    struct peer peer = {0};
    gboolean controlling = FALSE, lite = FALSE, aggressive = FALSE;
    for (int i = 1; i < argc; i++) {
        controlling |= strcmp(argv[i], "controlling") == 0;
        lite |= strcmp(argv[i], "lite") == 0;
        aggressive |= strcmp(argv[i], "aggressive") == 0;
    }
    peer.loop = g_main_loop_new(NULL, FALSE);
    peer.agent = nice_agent_new_full(g_main_loop_get_context(peer.loop), NICE_COMPATIBILITY_RFC5245,
                                     (lite ? NICE_AGENT_OPTION_LITE_MODE : 0) |
                                         (aggressive ? 0 : NICE_AGENT_OPTION_REGULAR_NOMINATION));
    g_object_set(peer.agent, "controlling-mode", controlling, "ice-tcp", FALSE, "upnp", FALSE,
                 NULL);
    g_object_set(peer.agent, "max-connectivity-checks", 200, NULL);
    NiceAddress address;
    nice_address_init(&address);
    nice_address_set_from_string(&address, "127.0.0.1");
    nice_agent_add_local_address(peer.agent, &address);
    g_signal_connect(peer.agent, "candidate-gathering-done", G_CALLBACK(on_gathered), &peer);
    g_signal_connect(peer.agent, "component-state-changed", G_CALLBACK(on_state), &peer);
    peer.stream = nice_agent_add_stream(peer.agent, 1);
    nice_agent_set_stream_name(peer.agent, peer.stream, "application");
    nice_agent_attach_recv(peer.agent, peer.stream, 1, g_main_loop_get_context(peer.loop), on_data,
                           &peer);
    nice_agent_gather_candidates(peer.agent, peer.stream);
    GIOChannel *input = g_io_channel_unix_new(0);
    g_io_add_watch(input, G_IO_IN | G_IO_HUP, on_input, &peer);
    g_timeout_add(100, say_hello, &peer);
    g_main_loop_run(peer.loop);
    g_io_channel_unref(input);
    g_object_unref(peer.agent);
    g_main_loop_unref(peer.loop);
    return 0;
}
