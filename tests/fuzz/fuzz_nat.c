/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machines that look at a NAT, against a server that says anything. The first byte chooses the
 * machine (probe, hairpin, lifetime); then come records, each a byte that says what happens:
 *
 *   0  a packet as it stands: socket, source, length in pairs, bytes
 *   1  an answer to a request of ours: which, source, class, length, attributes as they stand
 *   2  a sound answer: which, source, mapped address, other address
 *   3  time passes: hundredths of a second
 *
 * Whatever is said, the machine ends in time, says what it knows, and does not spin.
 */
#include "proto/nat_hairpin.h"
#include "proto/nat_lifetime.h"
#include "proto/nat_probe.h"
#include "tests/fuzz/fuzz_client.h"

#define RECORDS_MAX 200
#define TICKS_MAX 2000
#define LIMIT_S 8
#define LIFETIME_MAX_S 20

struct machine {
    union {
        struct nat_probe probe;
        struct nat_hairpin hairpin;
        struct nat_lifetime lifetime;
    } state;
    struct wire wire;
    struct monotime now;
    uint64_t seed;
    const struct kind *kind;
};

static struct stun_address pick_address(uint8_t pick)
{
    static const char *const texts[] = {
        "192.0.2.1:3478", "192.0.2.2:3479", "192.0.2.1:3479",   "192.0.2.2:3478",
        "10.0.0.2:40000", "10.0.0.2:40001", "198.51.100.7:500", "[2001:db8::1]:1",
    };
    struct stun_address address;
    REQUIRE(address_parse(&address, texts[pick % 8]));
    address.port = (uint16_t)(address.port + pick / 8);
    return address;
}

/* ---- the machines ---------------------------------------------------------------------------- */

struct kind {
    void (*start)(struct machine *machine);
    bool (*input)(struct machine *machine, const struct flow *flow, const struct packet *packet);
    void (*tick)(struct machine *machine);
    struct monotime (*due)(const struct machine *machine);
    bool (*finished)(const struct machine *machine);
    void (*check)(const struct machine *machine); /* when it has finished */
    int64_t limit_s;
};

static void probe_start(struct machine *machine)
{
    struct nat_probe_setup setup = {
        .random = fuzz_random,
        .random_context = &machine->seed,
        .server = pick_address(0),
        .local = {pick_address(4), pick_address(5), pick_address(13)},
        .mapping = true,
        .filtering = true,
        .give_up = {LIMIT_S * MONOTIME_SECOND},
    };
    nat_probe_init(&machine->state.probe, &setup);
    nat_probe_start(&machine->state.probe, machine->now, &machine->wire.outbox);
}

static bool probe_input(struct machine *machine, const struct flow *flow,
                        const struct packet *packet)
{
    return nat_probe_input(&machine->state.probe, machine->now, flow, packet,
                           &machine->wire.outbox);
}

static void probe_tick(struct machine *machine)
{
    nat_probe_tick(&machine->state.probe, machine->now, &machine->wire.outbox);
}

static struct monotime probe_due(const struct machine *machine)
{
    return nat_probe_due(&machine->state.probe);
}

static bool probe_finished(const struct machine *machine)
{
    return nat_probe_finished(&machine->state.probe);
}

static void probe_check(const struct machine *machine)
{
    const struct nat_report *report = nat_probe_report(&machine->state.probe);
    REQUIRE((report->mapping == NAT_MAPPING_UNKNOWN) == (report->mapping_doubt != NAT_CERTAIN));
    REQUIRE((report->filtering == NAT_FILTERING_UNKNOWN) ==
            (report->filtering_doubt != NAT_CERTAIN));
    REQUIRE((report->ports == NAT_PORTS_SEQUENTIAL) == (report->port_delta != 0));
    REQUIRE(report->answered <= report->sent);
    REQUIRE(report->mapping != NAT_MAPPING_BLOCKED ||
            report->mapped[NAT_PRIMARY].family == STUN_FAMILY_NONE);
}

static void hairpin_start(struct machine *machine)
{
    struct nat_hairpin_setup setup = {
        .random = fuzz_random,
        .random_context = &machine->seed,
        .server = pick_address(0),
        .local = {pick_address(4), pick_address(5)},
        .stable = true,
        .give_up = {LIMIT_S * MONOTIME_SECOND},
    };
    nat_hairpin_init(&machine->state.hairpin, &setup);
    nat_hairpin_start(&machine->state.hairpin, machine->now, &machine->wire.outbox);
}

static bool hairpin_input(struct machine *machine, const struct flow *flow,
                          const struct packet *packet)
{
    return nat_hairpin_input(&machine->state.hairpin, machine->now, flow, packet,
                             &machine->wire.outbox);
}

static void hairpin_tick(struct machine *machine)
{
    nat_hairpin_tick(&machine->state.hairpin, machine->now, &machine->wire.outbox);
}

static struct monotime hairpin_due(const struct machine *machine)
{
    return nat_hairpin_due(&machine->state.hairpin);
}

static bool hairpin_finished(const struct machine *machine)
{
    return nat_hairpin_finished(&machine->state.hairpin);
}

static void hairpin_check(const struct machine *machine)
{
    REQUIRE(nat_hairpin_verdict(&machine->state.hairpin) <= NAT_HAIRPIN_NO);
}

static void lifetime_start(struct machine *machine)
{
    struct nat_lifetime_setup setup = {
        .random = fuzz_random,
        .random_context = &machine->seed,
        .server = pick_address(0),
        .max_s = LIFETIME_MAX_S,
    };
    nat_lifetime_init(&machine->state.lifetime, &setup);
    nat_lifetime_start(&machine->state.lifetime, machine->now, &machine->wire.outbox);
}

static bool lifetime_input(struct machine *machine, const struct flow *flow,
                           const struct packet *packet)
{
    return nat_lifetime_input(&machine->state.lifetime, machine->now, flow, packet,
                              &machine->wire.outbox);
}

static void lifetime_tick(struct machine *machine)
{
    nat_lifetime_tick(&machine->state.lifetime, machine->now, &machine->wire.outbox);
}

static struct monotime lifetime_due(const struct machine *machine)
{
    return nat_lifetime_due(&machine->state.lifetime);
}

static bool lifetime_finished(const struct machine *machine)
{
    return nat_lifetime_finished(&machine->state.lifetime);
}

static void lifetime_check(const struct machine *machine)
{
    const struct nat_lifetime_result *result = nat_lifetime_result(&machine->state.lifetime);
    REQUIRE(result->at_least_us >= 0 && result->at_least_us <= LIFETIME_MAX_S * MONOTIME_SECOND);
    REQUIRE(result->at_most_us == 0 || result->at_least_us < result->at_most_us);
}

static const struct kind kinds[] = {
    {probe_start, probe_input, probe_tick, probe_due, probe_finished, probe_check, LIMIT_S},
    {hairpin_start, hairpin_input, hairpin_tick, hairpin_due, hairpin_finished, hairpin_check,
     LIMIT_S},
    {lifetime_start, lifetime_input, lifetime_tick, lifetime_due, lifetime_finished, lifetime_check,
     8 * LIFETIME_MAX_S},
};

/* ---- records --------------------------------------------------------------------------------- */

static void give(struct machine *machine, uint32_t via, uint8_t source, uint8_t *bytes, size_t size)
{
    struct flow flow = {.via = via, .remote = pick_address(source)};
    struct packet packet = {.bytes = bytes, .size = (uint32_t)size};
    machine->kind->input(machine, &flow, &packet);
    wire_flush(&machine->wire.outbox, &machine->wire);
}

static void do_packet(struct machine *machine, struct input *input)
{
    uint8_t copy[512];
    const uint8_t *bytes;
    uint32_t via = take_byte(input) % NAT_LIFETIME_SOCKETS;
    uint8_t source = take_byte(input);
    size_t size = take_bytes(input, take_byte(input) * 2u, &bytes);
    memcpy(copy, bytes, size);
    give(machine, via, source, copy, size);
}

static void do_answer(struct machine *machine, struct input *input)
{
    const struct sent_request *request = wire_pick(&machine->wire, take_byte(input));
    struct stun_builder builder;
    uint8_t bytes[MESSAGE_SIZE_MAX];
    uint8_t source = take_byte(input);
    uint8_t how = take_byte(input);
    if (request == NULL) {
        return;
    }
    begin_answer(&builder, bytes, (how & 1) != 0, request);
    put_raw(&builder, input);
    give(machine, request->flow.via, source, bytes, builder.size);
}

static void do_sound_answer(struct machine *machine, struct input *input)
{
    const struct sent_request *request = wire_pick(&machine->wire, take_byte(input));
    struct stun_builder builder;
    uint8_t bytes[MESSAGE_SIZE_MAX];
    uint8_t source = take_byte(input);
    struct stun_address mapped = pick_address(take_byte(input));
    struct stun_address other = pick_address(take_byte(input));
    if (request == NULL) {
        return;
    }
    begin_answer(&builder, bytes, true, request);
    stun_builder_put_xor_address(&builder, STUN_XOR_MAPPED_ADDRESS, &mapped);
    stun_builder_put_address(&builder, STUN_OTHER_ADDRESS, &other);
    give(machine, request->flow.via, source, bytes, builder.size);
}

static void run_until(struct machine *machine, struct monotime end)
{
    const struct kind *kind = machine->kind;
    for (int i = 0; !monotime_before(end, kind->due(machine)); i++) {
        REQUIRE(i < TICKS_MAX);
        struct monotime due = kind->due(machine);
        machine->now = monotime_before(due, machine->now) ? machine->now : due;
        kind->tick(machine);
        wire_flush(&machine->wire.outbox, &machine->wire);
        REQUIRE(monotime_before(machine->now, kind->due(machine)));
    }
    machine->now = monotime_before(machine->now, end) ? end : machine->now;
}

static void do_time(struct machine *machine, struct input *input)
{
    run_until(machine, monotime_add_ms(machine->now, 10 * take_byte(input)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const records[])(struct machine *, struct input *) = {do_packet, do_answer,
                                                                        do_sound_answer, do_time};
    static struct machine machine;
    struct input input = {data, size};
    memset(&machine, 0, sizeof machine);
    machine.kind = &kinds[take_byte(&input) % (sizeof kinds / sizeof kinds[0])];
    wire_init(&machine.wire);
    machine.kind->start(&machine);
    wire_flush(&machine.wire.outbox, &machine.wire);
    for (int i = 0; i < RECORDS_MAX && input.size > 0; i++) {
        records[take_byte(&input) & 3](&machine, &input);
    }
    run_until(&machine, monotime_add_seconds(machine.now, machine.kind->limit_s));
    REQUIRE(machine.kind->finished(&machine));
    machine.kind->check(&machine);
    return 0;
}
