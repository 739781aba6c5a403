/* SPDX-License-Identifier: BSD-3-Clause */
/* Certificates, and the contexts of OpenSSL that are made with them. */
#include "net/dtls.h"
#include "net/tls_context.h"
#include "turnserver/config_build.h"
#include "turnserver/config_certificate.h"

#include <openssl/err.h>
#include <stdlib.h>

#define EXPIRY_DAYS_ADVISED 14

/* ---- certificates ------------------------------------------------------------------------------
 */

/* Where one is named: tls.certificate and tls.key, or an element of tls.certificates. */
struct naming {
    const char *certificate_file, *key_file;
    struct config_place certificate, key;
    const char *folder; /* of the file in which it stands */
};

static void check_expiry(const struct config_building *building, const struct naming *naming,
                         const struct config_certificate *certificate)
{
    struct config_report *report = building->draft->report;
    int days = config_certificate_days_left(certificate);
    if (days < 0)
        config_report_warning(report, naming->certificate,
                              "the certificate has expired: clients will refuse it");
    else if (days < EXPIRY_DAYS_ADVISED)
        config_report_warning(report, naming->certificate, "the certificate expires in %d days",
                              days);
}

static void load_certificate(const struct config_building *building, const struct naming *naming)
{
    struct config_policy *policy = building->policy;
    struct config_certificate *certificate = NULL;
    char *certificate_path = config_path_resolve(naming->folder, naming->certificate_file);
    char *key_path = config_path_resolve(naming->folder, naming->key_file);
    if (certificate_path && key_path) {
        char problem[512];
        enum config_certificate_part part = config_certificate_load(
            &certificate, building->files, certificate_path, key_path, problem, sizeof(problem));
        if (part != CONFIG_CERTIFICATE_GOOD)
            config_report_error(building->draft->report,
                                part == CONFIG_CERTIFICATE_KEY_BAD ? naming->key
                                                                   : naming->certificate,
                                "%s", problem);
    } else {
        config_report_memory(building);
    }
    if (certificate) {
        policy->certificates[policy->certificate_count++] = certificate;
        check_expiry(building, naming, certificate);
    }
    free(certificate_path);
    free(key_path);
}

static void load_first(const struct config_building *building)
{
    const struct config_draft *draft = building->draft;
    struct config_place place = config_draft_place(draft, "tls.certificate");
    load_certificate(building, &(struct naming){
                                   draft->certificate,
                                   draft->certificate_key,
                                   place,
                                   config_draft_place(draft, "tls.key"),
                                   config_draft_folder(draft, "tls.certificate"),
                               });
}

static void load_further(const struct config_building *building)
{
    const struct config_draft *draft = building->draft;
    for (size_t i = 0; i < draft->certificate_count; i++) {
        const struct draft_certificate *from = &draft->certificates[i];
        char name[40];
        snprintf(name, sizeof(name), "tls.certificates[%zu]", i);
        struct config_place place = config_text_place(draft->text, from->line, name);
        if (from->certificate && from->key) /* or it was reported as missing */
            load_certificate(building, &(struct naming){
                                           from->certificate,
                                           from->key,
                                           place,
                                           place,
                                           config_text_file_of(draft->text, from->line)->folder,
                                       });
    }
}

/* ---- contexts ----------------------------------------------------------------------------------
 */

static bool listens_on_tls(const struct config_boot *boot)
{
    bool found = false;
    for (size_t i = 0; i < boot->listener_count; i++)
        found = found || boot->listeners[i].tls || boot->listeners[i].dtls;
    return found;
}

static bool needs_certificate(const struct config_boot *boot)
{
    bool needed = listens_on_tls(boot);
    for (size_t i = 0; i < boot->rendezvous_listener_count; i++)
        needed = needed || boot->rendezvous_listeners[i].tls;
    return needed;
}

/* The first is the context's own, the others come by name. OpenSSL would refuse one that is too
 * weak only when a client asks for it, so all are tried now. */
static void use_certificates(const struct config_building *building, SSL_CTX *context)
{
    const struct config_policy *policy = building->policy;
    SSL_CTX *trial = SSL_CTX_new(TLS_server_method());
    if (!trial)
        config_report_memory(building);
    for (size_t i = 0; trial && i < policy->certificate_count; i++) {
        const struct config_certificate *one = policy->certificates[i];
        if (!config_certificate_use(one, i == 0 ? context : trial))
            config_report_error(building->draft->report, config_draft_place(building->draft, "tls"),
                                "expected a certificate that OpenSSL takes, got one whose key or "
                                "signature is too weak: %s",
                                config_certificate_subject(one));
        else if (i > 0 && !config_certificate_add(one, context))
            config_report_memory(building);
    }
    SSL_CTX_free(trial);
}

/* A context of OpenSSL with the certificates, for connections to come. */
static SSL_CTX *build_context(const struct config_building *building, enum tls_transport transport,
                              const char *protocol)
{
    const struct config_draft *draft = building->draft;
    const struct tls_server_setup setup = {
        .transport = transport,
        .ciphers = draft->tls_ciphers,
        .version_1_3_only = draft->tls_min_version != 0,
        .protocol = protocol,
    };
    SSL_CTX *context = tls_context_new_server(&setup);
    if (context)
        use_certificates(building, context);
    else if (draft->tls_ciphers)
        config_report_error(draft->report, config_draft_place(draft, "tls.ciphers"),
                            "expected a list of ciphers as in openssl-ciphers(1), got \"%s\"",
                            draft->tls_ciphers);
    else
        config_report_memory(building);
    ERR_clear_error();
    return context;
}

/* The second is not made where the first has told a problem: both have the same. */
static void build_contexts(const struct config_building *building)
{
    struct config_policy *policy = building->policy;
    unsigned before = building->draft->report->errors;
    policy->tls_context = build_context(building, TLS_OVER_STREAM, NULL);
    if (building->draft->report->errors != before)
        return;
    policy->dtls_context = build_context(building, TLS_OVER_DATAGRAM, NULL);
    if (policy->dtls_context)
        dtls_prepare_server(policy->dtls_context);
    if (policy->rendezvous)
        policy->rendezvous->tls_context = build_context(building, TLS_OVER_STREAM, TLS_ALPN_HTTP);
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

static void tell_what_lacks(const struct config_building *building, const struct config_boot *boot)
{
    const struct config_draft *draft = building->draft;
    config_report_error(
        draft->report,
        config_draft_place(draft, listens_on_tls(boot) ? "listeners" : "rendezvous.listeners"),
        "expected tls = { certificate = ...; key = ...; } in this file, since "
        "a listener has \"tls\" or \"dtls\", got none");
}

void config_tls_build(const struct config_building *building, const struct config_boot *boot)
{
    const struct config_draft *draft = building->draft;
    bool needed = needs_certificate(boot), named = draft->certificate || draft->certificate_count;
    unsigned before = draft->report->errors;
    if (!draft->certificate != !draft->certificate_key) {
        config_report_error(draft->report, config_draft_place(draft, "tls"),
                            "expected certificate and key, got only one of them");
        return;
    }
    if (draft->certificate)
        load_first(building);
    load_further(building);
    if (building->policy->certificate_count > 0 && draft->report->errors == before) {
        build_contexts(building);
        if (!needed)
            config_report_warning(draft->report, config_draft_place(draft, "tls"),
                                  "no listener uses the certificate: none has \"tls\" or \"dtls\" "
                                  "among its transports");
    } else if (!named && needed) {
        tell_what_lacks(building, boot);
    }
}
