/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/auth/digests.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

static EVP_MAC_CTX *new_context(EVP_MAC *hmac, const char *digest)
{
    char name[16];
    OPENSSL_strlcpy(name, digest, sizeof name);
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(hmac);
    if (context != NULL && EVP_MAC_CTX_set_params(context, parameters) != 1) {
        EVP_MAC_CTX_free(context);
        return NULL;
    }
    return context;
}

bool auth_digests_open(struct auth_digests *digests)
{
    *digests = (struct auth_digests){0};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (hmac == NULL) {
        return false;
    }
    digests->contexts[AUTH_HMAC_SHA1] = new_context(hmac, "SHA1");
    digests->contexts[AUTH_HMAC_SHA256] = new_context(hmac, "SHA256");
    EVP_MAC_free(hmac);
    return digests->contexts[AUTH_HMAC_SHA1] != NULL && digests->contexts[AUTH_HMAC_SHA256] != NULL;
}

void auth_digests_close(struct auth_digests *digests)
{
    for (size_t i = 0; i < AUTH_HMAC_COUNT; i++) {
        EVP_MAC_CTX_free(digests->contexts[i]);
        digests->contexts[i] = NULL;
    }
}

size_t auth_digests_hmac(struct auth_digests *digests, enum auth_hmac which, const void *key,
                         size_t key_size, const void *data, size_t size,
                         uint8_t out[AUTH_HMAC_SIZE_MAX])
{
    EVP_MAC_CTX *context = digests->contexts[which];
    size_t written = 0;

    digests->count++;
    if (EVP_MAC_init(context, key, key_size, NULL) != 1 ||
        EVP_MAC_update(context, data, size) != 1 ||
        EVP_MAC_final(context, out, &written, AUTH_HMAC_SIZE_MAX) != 1) {
        return 0;
    }
    return written;
}
