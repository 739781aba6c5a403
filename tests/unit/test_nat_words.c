/* SPDX-License-Identifier: BSD-3-Clause */
/* There are words for everything that can be found out about a NAT. */
#include "machine_test.h"

#include "stunclient/nat_words.h"

static struct nat_report report;

static int set_up(void **state)
{
    (void)state;
    report = (struct nat_report){.local = test_address("10.0.0.2:40000")};
    report.mapped[NAT_PRIMARY] = test_address("198.51.100.7:40000");
    return 0;
}

static void every_combination_has_a_verdict(void **state)
{
    (void)state;
    for (int mapping = NAT_MAPPING_UNKNOWN; mapping <= (int)NAT_MAPPING_BLOCKED; mapping++) {
        for (int filtering = NAT_FILTERING_UNKNOWN; filtering <= (int)NAT_FILTERING_BLOCKED;
             filtering++) {
            report.mapping = (enum nat_mapping)mapping;
            report.filtering = (enum nat_filtering)filtering;
            /* Blocked is both or none. */
            if ((mapping == NAT_MAPPING_BLOCKED) == (filtering == NAT_FILTERING_BLOCKED)) {
                assert_true(strlen(nat_verdict_text(&report)) > 40);
            }
        }
    }
}

static void types_are_the_known_ones(void **state)
{
    static const struct {
        enum nat_mapping mapping;
        enum nat_filtering filtering;
        const char *type;
    } types[] = {
        {NAT_MAPPING_NONE, NAT_FILTERING_ENDPOINT_INDEPENDENT, "open"},
        {NAT_MAPPING_NONE, NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT, "firewall"},
        {NAT_MAPPING_ENDPOINT_INDEPENDENT, NAT_FILTERING_ENDPOINT_INDEPENDENT, "full cone"},
        {NAT_MAPPING_ENDPOINT_INDEPENDENT, NAT_FILTERING_ADDRESS_DEPENDENT, "restricted cone"},
        {NAT_MAPPING_ENDPOINT_INDEPENDENT, NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT,
         "port-restricted cone"},
        {NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT, NAT_FILTERING_UNKNOWN, "symmetric"},
        {NAT_MAPPING_BLOCKED, NAT_FILTERING_BLOCKED, "blocked"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        report.mapping = types[i].mapping;
        report.filtering = types[i].filtering;
        assert_string_equal(nat_type_word(&report), types[i].type);
    }
    report.mapping = NAT_MAPPING_ENDPOINT_INDEPENDENT;
    report.filtering = NAT_FILTERING_UNKNOWN;
    assert_null(nat_type_word(&report));
    report.mapping = NAT_MAPPING_UNKNOWN;
    assert_null(nat_type_word(&report));
}

/* The verdict must not promise what the filtering or the ports forbid. */
static void verdicts_differ_where_it_matters(void **state)
{
    (void)state;
    report.mapping = NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT;
    report.filtering = NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT;
    report.ports = NAT_PORTS_CHANGED;
    const char *random = nat_verdict_text(&report);
    report.ports = NAT_PORTS_SEQUENTIAL;
    assert_string_not_equal(nat_verdict_text(&report), random);
    report.mapping = NAT_MAPPING_ENDPOINT_INDEPENDENT;
    const char *strict = nat_verdict_text(&report);
    assert_non_null(strstr(strict, "relay"));
    report.filtering = NAT_FILTERING_ADDRESS_DEPENDENT;
    assert_null(strstr(nat_verdict_text(&report), "relay"));
}

static void what_was_not_seen_has_no_verdict(void **state)
{
    (void)state;
    report.mapped[NAT_PRIMARY] = (struct stun_address){0};
    assert_null(nat_verdict_text(&report));
    report.mapped[NAT_PRIMARY] = report.local;
    assert_null(strstr(nat_verdict_text(&report), "behind a NAT"));
}

static void every_doubt_has_words(void **state)
{
    (void)state;
    assert_null(nat_doubt_word(NAT_CERTAIN));
    for (int doubt = NAT_NOT_MEASURED; doubt <= (int)NAT_INCONSISTENT; doubt++) {
        assert_non_null(nat_doubt_word((enum nat_doubt)doubt));
        assert_true(strlen(nat_doubt_text((enum nat_doubt)doubt)) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_combination_has_a_verdict, set_up),
        cmocka_unit_test_setup(types_are_the_known_ones, set_up),
        cmocka_unit_test_setup(verdicts_differ_where_it_matters, set_up),
        cmocka_unit_test_setup(what_was_not_seen_has_no_verdict, set_up),
        cmocka_unit_test_setup(every_doubt_has_words, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
