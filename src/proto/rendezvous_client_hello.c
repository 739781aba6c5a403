/* SPDX-License-Identifier: BSD-3-Clause */
/* Who we are: how the service is shown that, in hello. */
#include "proto/rendezvous_client_internal.h"
#include "wire/signal_proof.h"

#include <openssl/crypto.h>

#define RID_HELLO "hello"

static bool offers(const struct signal_message *welcome, enum signal_method method)
{
    for (size_t i = 0; i < welcome->welcome.method_count; i++) {
        if (welcome->welcome.methods[i] == method) {
            return true;
        }
    }
    return false;
}

bool rendezvous_choose_method(const struct rendezvous_client *client,
                              const struct signal_message *welcome, enum signal_method *out)
{
    const bool has[SIGNAL_METHOD_COUNT] = {
        [SIGNAL_METHOD_SHA256] = client->user != NULL && client->password != NULL,
        [SIGNAL_METHOD_MD5] = client->user != NULL && client->password != NULL,
        [SIGNAL_METHOD_TOKEN] = client->token != NULL,
        [SIGNAL_METHOD_ED25519] = client->setup.private_key != NULL,
    };
    for (int method = 0; method < SIGNAL_METHOD_COUNT; method++) {
        if (has[method] && offers(welcome, (enum signal_method)method)) {
            *out = (enum signal_method)method;
            return true;
        }
    }
    return false;
}

struct hello_texts {
    char proof[SIGNAL_PROOF_TEXT_SIZE];
    char pub[SIGNAL_PUBLIC_KEY_TEXT_SIZE];
    char sig[SIGNAL_SIGNATURE_TEXT_SIZE];
};

static bool prove_password(const struct rendezvous_client *client, struct signal_claim *claim,
                           struct signal_message *hello, struct hello_texts *texts)
{
    enum stun_password_algorithm algorithm =
        claim->method == SIGNAL_METHOD_MD5 ? STUN_PASSWORD_MD5 : STUN_PASSWORD_SHA256;
    struct stun_key key;
    claim->user = hello->hello.user = client->user;
    if (stun_key_long_term(client->setup.crypto, &key, algorithm, client->user, claim->realm,
                           client->password) != STUN_OK) {
        return false;
    }
    bool made = signal_proof_make(claim, &key, texts->proof);
    OPENSSL_cleanse(&key, sizeof key);
    hello->hello.proof = texts->proof;
    return made;
}

static bool prove_key(const struct rendezvous_client *client, struct signal_claim *claim,
                      struct signal_message *hello, struct hello_texts *texts)
{
    if (!signal_public_key(client->private_key, texts->pub)) {
        return false;
    }
    claim->user = hello->hello.pub = texts->pub;
    hello->hello.sig = texts->sig;
    return signal_sign(claim, client->private_key, texts->sig);
}

bool rendezvous_build_hello(struct rendezvous_client *client, const struct signal_message *welcome,
                            enum signal_method method)
{
    const char *resume = client->resume[0] != '\0' ? client->resume : NULL;
    struct signal_message hello = {
        .type = SIGNAL_HELLO,
        .rid = RID_HELLO,
        .hello = {.version = SIGNAL_VERSION,
                  .name = client->name,
                  .method = method,
                  .resume = resume,
                  .allow_count = client->setup.caller_count,
                  .has_allow = client->setup.caller_count > 0},
    };
    for (size_t i = 0; i < client->setup.caller_count; i++) {
        hello.hello.allow[i] = client->setup.callers[i];
    }
    struct signal_claim claim = {.method = method,
                                 .nonce = welcome->welcome.nonce,
                                 .realm = welcome->welcome.realm,
                                 .name = client->name,
                                 .resume = resume};
    struct hello_texts texts;
    bool proved = true;
    switch (method) {
    case SIGNAL_METHOD_SHA256:
    case SIGNAL_METHOD_MD5:
        proved = prove_password(client, &claim, &hello, &texts);
        break;
    case SIGNAL_METHOD_ED25519:
        proved = prove_key(client, &claim, &hello, &texts);
        break;
    case SIGNAL_METHOD_TOKEN:
    case SIGNAL_METHOD_COUNT:
        hello.hello.token = client->token;
        break;
    }
    client->hello_size =
        proved ? signal_message_build(&hello, client->hello, sizeof client->hello) : 0;
    return client->hello_size > 0;
}
