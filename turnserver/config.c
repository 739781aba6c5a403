/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/config.h"

#include "turnserver/config_build.h"
#include "turnserver/config_keys.h"
#include "turnserver/config_syntax.h"
#include "turnserver/config_text.h"

#include <stdlib.h>

/* Gives each setting below `parent` the place where config_syntax_check saw it: both walk in the
 * order of the text. libconfig's own line is that of the next token. */
static bool attach_positions(config_setting_t *parent, const struct config_syntax *syntax,
                             size_t *next)
{
    for (int i = 0; i < config_setting_length(parent); i++) {
        config_setting_t *setting = config_setting_get_elem(parent, (unsigned)i);
        if (*next >= syntax->position_count)
            return false;
        config_setting_set_hook(setting, &syntax->positions[(*next)++]);
        if (config_setting_is_aggregate(setting) && !attach_positions(setting, syntax, next))
            return false;
    }
    return true;
}

/* libconfig's own complaint: only where its grammar and our check disagree. */
static void report_parser(const config_t *tree, const struct config_text *text,
                          struct config_report *report)
{
    unsigned line = config_error_line(tree) > 0 ? (unsigned)config_error_line(tree) : 0;
    const char *reason = config_error_text(tree);
    config_report_error(report, config_text_place(text, line, NULL), "%s",
                        reason ? reason : "cannot be parsed");
}

static struct config *build(const struct config_draft *draft, const struct config_input *input)
{
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return NULL;
    config_boot_build(&config->boot, draft);
    const struct config_boot *boot = input->running ? input->running : &config->boot;
    config->policy = config_policy_build(draft, boot, input->files);
    if (config->policy && draft->report->errors == 0)
        return config;
    config_free(config);
    return NULL;
}

static struct config *read_tree(config_t *tree, const struct config_syntax *syntax,
                                const struct config_text *text, const struct config_input *input,
                                struct config_report *report)
{
    struct config_draft *draft = calloc(1, sizeof(*draft));
    struct config *config = NULL;
    size_t next = 0;
    if (!draft || !attach_positions(config_root_setting(tree), syntax, &next))
        goto out;
    draft->report = report;
    draft->text = text;
    config_keys_read(draft, config_root_setting(tree));
    config = build(draft, input);
out:
    if (!config && report->errors == 0)
        config_report_error(report, config_text_place(text, 0, NULL), "memory is out");
    if (draft)
        config_draft_free(draft);
    free(draft);
    return config;
}

struct config *config_load_input(const struct config_input *input, FILE *diagnostics)
{
    struct config_report report = {.stream = diagnostics};
    struct config_text text;
    struct config_syntax syntax = {0};
    struct config *config = NULL;
    config_t tree;
    config_init(&tree);
    if (config_text_load(&text, input, &report) && config_syntax_check(&syntax, &text, &report)) {
        if (config_read_string(&tree, syntax.text.bytes) == CONFIG_TRUE)
            config = read_tree(&tree, &syntax, &text, input, &report);
        else
            report_parser(&tree, &text, &report);
    }
    config_report_finish(&report, input->path);
    config_destroy(&tree);
    config_syntax_free(&syntax);
    config_text_free(&text);
    return config;
}

struct config *config_load(const char *path, FILE *diagnostics)
{
    return config_load_input(&(struct config_input){.path = path}, diagnostics);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    config_boot_free(&config->boot);
    config_policy_release(config->policy);
    free(config);
}
