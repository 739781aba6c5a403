/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/nat_words.h"

#include "base/address.h"

#include <stddef.h>

const char *nat_mapping_word(enum nat_mapping mapping)
{
    static const char *const words[] = {
        [NAT_MAPPING_UNKNOWN] = "unknown",
        [NAT_MAPPING_NONE] = "none",
        [NAT_MAPPING_ENDPOINT_INDEPENDENT] = "endpoint-independent",
        [NAT_MAPPING_ADDRESS_DEPENDENT] = "address-dependent",
        [NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT] = "address-and-port-dependent",
        [NAT_MAPPING_BLOCKED] = "blocked",
    };
    return words[mapping];
}

const char *nat_filtering_word(enum nat_filtering filtering)
{
    static const char *const words[] = {
        [NAT_FILTERING_UNKNOWN] = "unknown",
        [NAT_FILTERING_ENDPOINT_INDEPENDENT] = "endpoint-independent",
        [NAT_FILTERING_ADDRESS_DEPENDENT] = "address-dependent",
        [NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT] = "address-and-port-dependent",
        [NAT_FILTERING_BLOCKED] = "blocked",
    };
    return words[filtering];
}

const char *nat_ports_word(enum nat_ports ports)
{
    static const char *const words[] = {
        [NAT_PORTS_UNKNOWN] = "unknown",
        [NAT_PORTS_PRESERVED] = "preserved",
        [NAT_PORTS_SEQUENTIAL] = "sequential",
        [NAT_PORTS_CHANGED] = "changed",
    };
    return words[ports];
}

const char *nat_hairpin_word(enum nat_hairpin_verdict verdict)
{
    static const char *const words[] = {
        [NAT_HAIRPIN_UNKNOWN] = "unknown",
        [NAT_HAIRPIN_NOT_NEEDED] = "not-needed",
        [NAT_HAIRPIN_YES] = "yes",
        [NAT_HAIRPIN_NO] = "no",
    };
    return words[verdict];
}

static const struct {
    const char *word, *text;
} doubts[] = {
    [NAT_CERTAIN] = {NULL, "it is known"},
    [NAT_NOT_MEASURED] = {"not-measured", "it was not measured"},
    [NAT_NO_OTHER_ADDRESS] = {"no-other-address",
                              "the server has only one address and cannot tell (RFC 5780)"},
    [NAT_OTHER_ADDRESS_WRONG] = {"other-address-wrong",
                                 "the server's other address differs in too little to tell"},
    [NAT_OTHER_ADDRESS_SILENT] = {"other-address-silent",
                                  "the server's other address does not answer"},
    [NAT_CHANGE_IGNORED] = {"change-ignored",
                            "the server answers from the wrong address when asked to change it"},
    [NAT_CHANGE_REFUSED] = {"change-refused",
                            "the server refuses to answer from or to another address or port"},
    [NAT_CHANGE_SILENT] = {"change-silent",
                           "the server does not do what it is asked: an answer that must arrive "
                           "does not"},
    [NAT_LOSS] = {"loss", "too many packets are lost to tell"},
    [NAT_INCONSISTENT] = {"inconsistent", "the answers contradict each other"},
};

const char *nat_doubt_word(enum nat_doubt doubt)
{
    return doubts[doubt].word;
}

const char *nat_doubt_text(enum nat_doubt doubt)
{
    return doubts[doubt].text;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool is_symmetric(const struct nat_report *report)
{
    return report->mapping == NAT_MAPPING_ADDRESS_DEPENDENT ||
           report->mapping == NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT;
}

/* Words that stand only for a mapping that does not vary, by filtering. */
struct by_filtering {
    const char *none, *independent;
};

static const struct by_filtering types[] = {
    [NAT_FILTERING_UNKNOWN] = {NULL, NULL},
    [NAT_FILTERING_ENDPOINT_INDEPENDENT] = {"open", "full cone"},
    [NAT_FILTERING_ADDRESS_DEPENDENT] = {"firewall", "restricted cone"},
    [NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT] = {"firewall", "port-restricted cone"},
    [NAT_FILTERING_BLOCKED] = {NULL, NULL},
};

const char *nat_type_word(const struct nat_report *report)
{
    if (report->mapping == NAT_MAPPING_BLOCKED) {
        return "blocked";
    }
    if (is_symmetric(report)) {
        return "symmetric";
    }
    if (report->mapping == NAT_MAPPING_NONE) {
        return types[report->filtering].none;
    }
    return report->mapping == NAT_MAPPING_ENDPOINT_INDEPENDENT
               ? types[report->filtering].independent
               : NULL;
}

static const struct by_filtering verdicts[] = {
    [NAT_FILTERING_UNKNOWN] =
        {"No translation: the server sees this host's own address. What a firewall in front of it "
         "lets in is unknown. Hole punching works with every peer whose own address does not vary.",
         "Hole punching works with every peer whose own address does not vary. Whether it works "
         "with peers behind a symmetric NAT depends on the filtering, which is unknown: keep a "
         "relay (TURN) at hand."},
    [NAT_FILTERING_ENDPOINT_INDEPENDENT] =
        {"Nothing stands in the way: this host's own address is what the server sees, and whoever "
         "can "
         "send to it is let in. Direct connections work with every peer that can send UDP.",
         "The kindest NAT: whoever knows the mapped address can send to it. Direct connections "
         "work "
         "with every peer that can send UDP, once this host has opened its mapping."},
    [NAT_FILTERING_ADDRESS_DEPENDENT] =
        {"No translation, but a firewall that lets in only hosts that were sent to before. Hole "
         "punching works with every peer that can send UDP, symmetric NATs included.",
         "Hole punching works with every peer that can send UDP: a packet from here opens the way "
         "for all ports of the peer's address, so that symmetric NATs on the other side do no "
         "harm."},
    [NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT] =
        {"No translation, but a firewall that lets in only what was asked for. Hole punching works "
         "when both sides send; with a peer behind a symmetric NAT it needs luck or a relay "
         "(TURN).",
         "Hole punching works when both sides send, as ICE does. With a peer behind a symmetric "
         "NAT "
         "it fails, because the peer's port cannot be known beforehand: use a relay (TURN) then."},
    [NAT_FILTERING_BLOCKED] = {"", ""},
};

static const char *symmetric_verdict(const struct nat_report *report)
{
    if (report->ports == NAT_PORTS_SEQUENTIAL) {
        return "A symmetric NAT: each destination sees another port. Direct connections work with "
               "peers that let in any port of this address; with others only if they guess the "
               "next port, which here follows a pattern. Keep a relay (TURN) at hand.";
    }
    return "A symmetric NAT: each destination sees another port, and nobody can know it "
           "beforehand. "
           "Direct connections work only with peers that let in any port of this address (no NAT, "
           "full or restricted cone). For all others use a relay (TURN).";
}

const char *nat_verdict_text(const struct nat_report *report)
{
    if (report->mapping == NAT_MAPPING_BLOCKED) {
        return "Nothing came back over UDP: it is blocked on the way, or no server answers there. "
               "Where UDP is blocked no direct connection is possible: use a relay (TURN) over "
               "TCP.";
    }
    if (is_symmetric(report)) {
        return symmetric_verdict(report);
    }
    if (report->mapping == NAT_MAPPING_NONE) {
        return verdicts[report->filtering].none;
    }
    if (report->mapping == NAT_MAPPING_ENDPOINT_INDEPENDENT) {
        return verdicts[report->filtering].independent;
    }
    const struct stun_address *mapped = &report->mapped[NAT_PRIMARY];
    if (mapped->family == STUN_FAMILY_NONE) {
        return NULL;
    }
    if (address_equal(mapped, &report->local)) {
        return verdicts[report->filtering].none;
    }
    if (report->mapping_doubt == NAT_NOT_MEASURED) {
        return "This host is behind a NAT. Whether hole punching works depends on how it maps, "
               "which was not measured: --mode full does.";
    }
    return "This host is behind a NAT, but whether hole punching works is unknown: this server or "
           "this network could not tell how the NAT maps. Try a server with two addresses, and "
           "keep "
           "a relay (TURN) at hand.";
}
