/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/auth/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define DELTA_S 5 /* "RECOMMENDED", RFC 7635 §7 */
#define PLAIN_SIZE_MAX (2 + TOKEN_SESSION_KEY_MAX + 8 + 4)

size_t token_key_size(enum token_algorithm algorithm)
{
    return algorithm == TOKEN_A128GCM ? 16 : 32;
}

/* Returns the number of bytes, or -1. `out` takes 3 bytes for each 4 characters. */
static int decode(const char *text, uint8_t *out)
{
    size_t size = strlen(text);
    size_t padding = size > 1 && text[size - 1] == '=' ? (text[size - 2] == '=' ? 2 : 1) : 0;
    int decoded = size % 4 == 0 ? EVP_DecodeBlock(out, (const unsigned char *)text, (int)size) : -1;

    return decoded < 0 ? -1 : decoded - (int)padding;
}

bool token_key_read(struct token_key *key, const char *text)
{
    uint8_t bytes[TOKEN_KEY_TEXT_MAX];
    size_t wanted = token_key_size(key->algorithm);
    bool good = strlen(text) <= TOKEN_KEY_TEXT_MAX && decode(text, bytes) >= (int)wanted;

    if (good) {
        memcpy(key->bytes, bytes, wanted);
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return good;
}

static uint64_t get_number(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* Decrypts what follows the nonce; `size` without the tag. */
static bool decrypt(EVP_CIPHER_CTX *context, const struct token_key *key, const char *server_name,
                    const uint8_t *token, size_t size, uint8_t *plain)
{
    const EVP_CIPHER *cipher =
        key->algorithm == TOKEN_A128GCM ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
    const uint8_t *nonce = token + 2, *encrypted = nonce + TOKEN_NONCE_SIZE;
    uint8_t tag[TOKEN_TAG_SIZE];
    int written = 0;

    memcpy(tag, encrypted + size, sizeof tag);
    return EVP_DecryptInit_ex(context, cipher, NULL, key->bytes, nonce) == 1 &&
           EVP_DecryptUpdate(context, NULL, &written, (const uint8_t *)server_name,
                             (int)strlen(server_name)) == 1 &&
           EVP_DecryptUpdate(context, plain, &written, encrypted, (int)size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, sizeof tag, tag) == 1 &&
           EVP_DecryptFinal_ex(context, plain + written, &written) == 1;
}

static bool read_plain(struct access_token *out, const uint8_t *plain, size_t size)
{
    size_t key_size = (size_t)get_number(plain, 2);

    if (key_size < TOKEN_SESSION_KEY_MIN || key_size > TOKEN_SESSION_KEY_MAX ||
        size != 2 + key_size + 8 + 4) {
        return false;
    }
    out->key_size = (uint8_t)key_size;
    memcpy(out->key, plain + 2, key_size);
    out->issued = (int64_t)(get_number(plain + 2 + key_size, 8) >> 16); /* 1/64000 s below that */
    out->lifetime_s = (uint32_t)get_number(plain + 2 + key_size + 8, 4);
    return true;
}

bool token_open(struct access_token *out, EVP_CIPHER_CTX *context, const struct token_key *key,
                const char *server_name, const uint8_t *bytes, size_t size)
{
    uint8_t plain[PLAIN_SIZE_MAX + EVP_MAX_BLOCK_LENGTH];
    size_t plain_size = size - 2 - TOKEN_NONCE_SIZE - TOKEN_TAG_SIZE;

    *out = (struct access_token){0};
    if (size < TOKEN_SIZE_MIN || size > TOKEN_SIZE_MAX ||
        get_number(bytes, 2) != TOKEN_NONCE_SIZE) {
        return false;
    }
    bool good = decrypt(context, key, server_name, bytes, plain_size, plain) &&
                read_plain(out, plain, plain_size);
    OPENSSL_cleanse(plain, sizeof plain);
    return good;
}

bool token_is_timely(const struct access_token *token, int64_t now)
{
    int64_t age = now - token->issued;

    return (age < 0 ? -age : age) < (int64_t)token->lifetime_s + DELTA_S;
}

int64_t token_end(const struct access_token *token)
{
    return token->issued + token->lifetime_s + DELTA_S;
}
