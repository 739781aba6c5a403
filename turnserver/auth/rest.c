/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/auth/rest.h"

#include "base/text.h"

#include <openssl/evp.h>
#include <string.h>

bool rest_name_parse(struct rest_name *out, const char *name)
{
    size_t digits = strcspn(name, ":");
    uint64_t expiry = 0;

    if (!text_parse_u64(name, digits, INT64_MAX, &expiry)) {
        return false;
    }
    bool has_account = name[digits] == ':' && name[digits + 1] != '\0';
    out->expiry = (int64_t)expiry;
    out->account_offset = has_account ? digits + 1 : 0;
    return true;
}

bool rest_password(struct auth_digests *digests, enum auth_hmac which, const char *secret,
                   const char *name, char out[REST_PASSWORD_SIZE])
{
    uint8_t hmac[AUTH_HMAC_SIZE_MAX];
    size_t size =
        auth_digests_hmac(digests, which, secret, strlen(secret), name, strlen(name), hmac);

    out[0] = '\0';
    return size > 0 && EVP_EncodeBlock((unsigned char *)out, hmac, (int)size) > 0;
}
