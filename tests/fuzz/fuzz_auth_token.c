/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * OAuth tokens from strangers ('t': the token as it is) and from an authorization server that makes
 * mistakes ('p': what is in a token; it is sealed here with the right key).
 */
#include "tests/fuzz/fuzz.h"

#include "turnserver/auth/token.h"

#include <openssl/evp.h>
#include <string.h>

#define SERVER "turn.example.org"

static const struct token_key key = {.algorithm = TOKEN_A256GCM, .bytes = "0123456789abcdef"};
static EVP_CIPHER_CTX *context;

static size_t seal(uint8_t *out, const uint8_t *plain, size_t size)
{
    int written = 0;

    memcpy(out, "\0\x0cnonce nonce ", 14);
    REQUIRE(EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key.bytes, out + 2) == 1);
    REQUIRE(EVP_EncryptUpdate(context, NULL, &written, (const uint8_t *)SERVER,
                              sizeof SERVER - 1) == 1);
    REQUIRE(EVP_EncryptUpdate(context, out + 14, &written, plain, (int)size) == 1);
    REQUIRE(EVP_EncryptFinal_ex(context, out + 14 + size, &written) == 1);
    REQUIRE(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, out + 14 + size) == 1);
    return 14 + size + 16;
}

static bool open_bytes(struct access_token *token, const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);

    REQUIRE(exact != NULL);
    memcpy(exact, bytes, size);
    bool opened = token_open(token, context, &key, SERVER, exact, size);
    free(exact);
    return opened;
}

/* What must be so whatever came. */
static void check(const struct access_token *token, bool opened)
{
    static const struct access_token nothing;

    if (!opened) {
        REQUIRE(token->issued == 0 && token->lifetime_s == 0 && token->key_size == 0);
        REQUIRE(memcmp(token->key, nothing.key, sizeof nothing.key) == 0);
        return;
    }
    REQUIRE(token->key_size >= TOKEN_SESSION_KEY_MIN && token->key_size <= TOKEN_SESSION_KEY_MAX);
    REQUIRE(token->issued >= 0 && token_end(token) > token->issued);
    REQUIRE(token_is_timely(token, token->issued));
    REQUIRE(!token_is_timely(token, token_end(token)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct access_token token;
    uint8_t bytes[256];

    context = context != NULL ? context : EVP_CIPHER_CTX_new();
    REQUIRE(context != NULL);
    if (size > 0 && data[0] == 't') {
        check(&token, open_bytes(&token, data + 1, size - 1));
    } else if (size > 0 && data[0] == 'p' && size <= 201) {
        size_t sealed = seal(bytes, data + 1, size - 1);
        bool opened = open_bytes(&token, bytes, sealed);
        check(&token, opened);
        /* Exactly those open whose length says what is there. */
        bool sound = size > 3 && (size_t)(data[1] << 8 | data[2]) == size - 1 - 14 &&
                     size - 15 >= TOKEN_SESSION_KEY_MIN && size - 15 <= TOKEN_SESSION_KEY_MAX;
        REQUIRE(opened == sound);
    }
    return 0;
}
