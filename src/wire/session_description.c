/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/session_description.h"

#include "wire/session_fingerprint.h"
#include "wire/span.h"

#define UFRAG_SIZE_MIN 4
#define PASSWORD_SIZE_MIN 22
#define SCTP_PORT_DEFAULT 5000        /* RFC 8841 §5 says none; all use this one */
#define MESSAGE_SIZE_DEFAULT 65536    /* RFC 8841 §6.1 */
#define LINE_TYPES "vosiuepcbtrzkmaf" /* RFC 8866 §5: "r=", "z=" and "k=" are read over, too */

/* What is known of a description while it is read. */
struct reading {
    struct session_description *out;
    struct span sections[SESSION_SECTIONS_MAX]; /* the lines of each, "m=" the first */
    struct span session;                        /* the lines before the first */
    struct span bundle;                         /* what stands behind "a=group:BUNDLE" */
    bool port_is_zero[SESSION_SECTIONS_MAX], bundle_only[SESSION_SECTIONS_MAX];
    bool fingerprints_replaced; /* the level that is read has begun a list of its own */
};

/* ---- lines -------------------------------------------------------------------------------------
 */

/* Cuts a line off the front; its end is CR LF or LF. False: nothing is left. */
static bool next_line(struct span *text, struct span *line)
{
    if (text->size == 0) {
        return false;
    }
    const char *end = memchr(text->at, '\n', text->size);
    size_t size = end != NULL ? (size_t)(end - text->at) : text->size;
    size_t whole = end != NULL ? size + 1 : size;

    *line = (struct span){text->at, size};
    if (line->size > 0 && line->at[line->size - 1] == '\r') {
        line->size--;
    }
    text->at += whole;
    text->size -= whole;
    return true;
}

static bool line_is_sound(struct span line)
{
    if (line.size < 2 || line.at[1] != '=' || line.at[0] == '\0' ||
        strchr(LINE_TYPES, line.at[0]) == NULL) {
        return false;
    }
    for (size_t i = 0; i < line.size; i++) {
        if (((uint8_t)line.at[i] < 0x20 && line.at[i] != '\t') || line.at[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

/* ---- attributes --------------------------------------------------------------------------------
 */

/* Each reads the value of one attribute, and returns NULL or what is wrong. */

static const char *read_ufrag(struct reading *reading, struct span value)
{
    bool good = span_is_ice(value) &&
                span_copy(value, UFRAG_SIZE_MIN, reading->out->ufrag, sizeof reading->out->ufrag);
    return good ? NULL : "a=ice-ufrag is not 4 to 256 letters, digits, '+' and '/'";
}

static const char *read_password(struct reading *reading, struct span value)
{
    bool good = span_is_ice(value) && span_copy(value, PASSWORD_SIZE_MIN, reading->out->password,
                                                sizeof reading->out->password);
    return good ? NULL : "a=ice-pwd is not 22 to 256 letters, digits, '+' and '/'";
}

static const char *read_options(struct reading *reading, struct span value)
{
    for (struct span word = span_next_word(&value); word.size > 0; word = span_next_word(&value)) {
        reading->out->trickle = reading->out->trickle || span_is(word, "trickle");
    }
    return NULL;
}

static const char *read_fingerprint(struct reading *reading, struct span value)
{
    struct session_description *out = reading->out;

    if (!reading->fingerprints_replaced) {
        reading->fingerprints_replaced = true;
        out->fingerprint_count = 0;
    }
    if (!session_fingerprint_is_known(value.at, value.size) ||
        out->fingerprint_count == SESSION_FINGERPRINTS_MAX) {
        return NULL; /* RFC 8122 §5: one of a hash that we do not know is passed over */
    }
    if (!session_fingerprint_parse(&out->fingerprints[out->fingerprint_count], value.at,
                                   value.size)) {
        return "a=fingerprint is not a hash's name and as many bytes as it has, in hexadecimal";
    }
    out->fingerprint_count++;
    return NULL;
}

static const char *read_setup(struct reading *reading, struct span value)
{
    static const char *const names[] = {
        [SESSION_SETUP_ACTPASS] = "actpass",
        [SESSION_SETUP_ACTIVE] = "active",
        [SESSION_SETUP_PASSIVE] = "passive",
    };

    for (size_t i = SESSION_SETUP_ACTPASS; i < sizeof names / sizeof names[0]; i++) {
        if (span_is(value, names[i])) {
            reading->out->setup = (enum session_setup)i;
            return NULL;
        }
    }
    return "a=setup is none of actpass, active and passive";
}

static const char *read_identity(struct reading *reading, struct span value)
{
    return span_copy(value, 1, reading->out->identity, sizeof reading->out->identity)
               ? NULL
               : "a=postern-identity is empty or longer than 511 bytes";
}

static const char *read_lite(struct reading *reading, struct span value)
{
    (void)value;
    reading->out->ice_lite = true;
    return NULL;
}

static const char *read_end(struct reading *reading, struct span value)
{
    (void)value;
    reading->out->end_of_candidates = true;
    return NULL;
}

static const char *read_candidate(struct reading *reading, struct span value)
{
    struct session_description *out = reading->out;
    /* The parser wants the name too; it stands just before the value. */
    size_t name_size = sizeof "candidate:" - 1;

    if (out->candidate_count < SESSION_CANDIDATES_MAX &&
        candidate_parse(&out->candidates[out->candidate_count], value.at - name_size,
                        value.size + name_size) == NULL) {
        out->candidate_count++;
    }
    return NULL; /* a line that makes no sense costs that candidate, not the call */
}

static const char *read_sctp_port(struct reading *reading, struct span value)
{
    uint64_t port = 0;

    if (!span_number(value, UINT16_MAX, &port) || port == 0) {
        return "a=sctp-port is not a number from 1 to 65535";
    }
    reading->out->sctp_port = (uint16_t)port;
    return NULL;
}

/* "5000 webrtc-datachannel 1024", as it was before RFC 8841. */
static const char *read_sctp_map(struct reading *reading, struct span value)
{
    return read_sctp_port(reading, span_next_word(&value)) == NULL
               ? NULL
               : "a=sctpmap does not begin with a number from 1 to 65535";
}

static const char *read_message_size(struct reading *reading, struct span value)
{
    uint64_t size = 0;

    if (!span_number(value, UINT64_MAX, &size)) {
        return "a=max-message-size is not a number";
    }
    reading->out->max_message_size = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
    return NULL;
}

enum attribute_level {
    LEVEL_SESSION = 0x1,
    LEVEL_SECTION = 0x2,
    LEVEL_BUNDLE = 0x4, /* taken from the group's first section, when ours leaves it to that one */
};

static const struct attribute {
    const char *name; /* with the ':' when it has a value */
    const char *(*read)(struct reading *reading, struct span value);
    unsigned levels;
} attributes[] = {
    {"candidate:", read_candidate, LEVEL_SECTION | LEVEL_BUNDLE},
    {"end-of-candidates", read_end, LEVEL_SESSION | LEVEL_SECTION | LEVEL_BUNDLE},
    {"fingerprint:", read_fingerprint, LEVEL_SESSION | LEVEL_SECTION | LEVEL_BUNDLE},
    {"ice-lite", read_lite, LEVEL_SESSION},
    {"ice-options:", read_options, LEVEL_SESSION | LEVEL_SECTION | LEVEL_BUNDLE},
    {"ice-pwd:", read_password, LEVEL_SESSION | LEVEL_SECTION | LEVEL_BUNDLE},
    {"ice-ufrag:", read_ufrag, LEVEL_SESSION | LEVEL_SECTION | LEVEL_BUNDLE},
    {"max-message-size:", read_message_size, LEVEL_SECTION},
    {"postern-identity:", read_identity, LEVEL_SESSION | LEVEL_SECTION},
    {"sctp-port:", read_sctp_port, LEVEL_SECTION},
    {"sctpmap:", read_sctp_map, LEVEL_SECTION},
    {"setup:", read_setup, LEVEL_SESSION | LEVEL_SECTION | LEVEL_BUNDLE},
};

static const char *read_attribute(struct reading *reading, struct span line,
                                  enum attribute_level level)
{
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        struct span value = line;
        bool has_value = attributes[i].name[strlen(attributes[i].name) - 1] == ':';

        if ((attributes[i].levels & level) != 0 && span_skip(&value, attributes[i].name) &&
            (has_value || value.size == 0)) {
            return attributes[i].read(reading, value);
        }
    }
    return NULL;
}

/* All attributes of a level; those that are there take the place of what an outer level said. */
static const char *read_level(struct reading *reading, struct span lines,
                              enum attribute_level level)
{
    struct span line;
    const char *problem = NULL;

    reading->fingerprints_replaced = false;
    while (problem == NULL && next_line(&lines, &line)) {
        if (span_skip(&line, "a=")) {
            problem = read_attribute(reading, line, level);
        }
    }
    return problem;
}

/* ---- sections ----------------------------------------------------------------------------------
 */

/* "application 9 UDP/DTLS/SCTP webrtc-datachannel", or "application 9 DTLS/SCTP 5000" of old. */
static const char *read_media(struct reading *reading, size_t index, struct span media)
{
    struct session_section *section = &reading->out->sections[index];
    struct span rest = media;
    struct span kind = span_next_word(&rest);
    struct span port = span_next_word(&rest);
    struct span protocol = span_next_word(&rest);
    struct span format = span_next_word(&rest);
    struct span kept = {media.at, (size_t)(format.at + format.size - media.at)};
    const char *slash = memchr(port.at, '/', port.size);
    uint64_t number = 0;

    if (slash != NULL) {
        port.size = (size_t)(slash - port.at);
    }
    if (format.size == 0 || !span_number(port, UINT16_MAX, &number)) {
        return "a line m= is not made of a medium, a port, a protocol and a format";
    }
    if (!span_copy(kept, 1, section->media, sizeof section->media)) {
        return "a line m= is longer than we keep";
    }
    bool old = span_is(protocol, "DTLS/SCTP");
    bool sctp = old || span_is(protocol, "UDP/DTLS/SCTP") || span_is(protocol, "TCP/DTLS/SCTP");
    section->is_data_channel =
        span_is(kind, "application") && sctp && (old || span_is(format, "webrtc-datachannel"));
    reading->port_is_zero[index] = number == 0;
    return NULL;
}

static const char *read_section_name(struct reading *reading, size_t index)
{
    struct session_section *section = &reading->out->sections[index];
    struct span lines = reading->sections[index], line;

    while (next_line(&lines, &line)) {
        reading->bundle_only[index] = reading->bundle_only[index] || span_is(line, "a=bundle-only");
        if (span_skip(&line, "a=mid:") && !span_copy(line, 1, section->mid, sizeof section->mid)) {
            return "a=mid is empty or longer than 63 bytes";
        }
    }
    return NULL;
}

/* "- 4611731400430051336 2 IN IP4 127.0.0.1" */
static const char *read_origin(struct session_description *out, struct span line)
{
    (void)span_next_word(&line);
    bool good = span_number(span_next_word(&line), UINT64_MAX, &out->session_id) &&
                span_number(span_next_word(&line), UINT64_MAX, &out->session_version);

    return good ? NULL : "a line o= has no numbers for session and version";
}

static void note_bundle(struct reading *reading, struct span line)
{
    if (reading->bundle.size == 0 && span_skip(&line, "a=group:BUNDLE ")) {
        reading->bundle = line;
    }
}

/* Divides the text into the session's lines and the sections'. */
static const char *divide(struct reading *reading, struct span text)
{
    struct span line, rest = text;
    struct span *level = &reading->session;
    struct session_description *out = reading->out;
    const char *problem = NULL;

    *level = (struct span){text.at, 0};
    while (problem == NULL && next_line(&rest, &line)) {
        if (line.at == text.at && !span_is(line, "v=0")) {
            return "it does not begin with a line v=0";
        }
        if (line.size == 0 && rest.size == 0) {
            break; /* an empty line at the end does no harm */
        }
        if (!line_is_sound(line)) {
            return "there is a line in it that is not a letter of RFC 8866, \"=\" and text";
        }
        struct span value = {line.at + 2, line.size - 2};
        if (line.at[0] == 'm') {
            if (out->section_count == SESSION_SECTIONS_MAX) {
                return "it has more than 16 sections";
            }
            level = &reading->sections[out->section_count];
            level->at = line.at;
            problem = read_media(reading, out->section_count++, value);
        } else if (line.at[0] == 'o' && level == &reading->session) {
            problem = read_origin(out, value);
        } else if (level == &reading->session) {
            note_bundle(reading, line);
        }
        level->size = (size_t)(rest.at - level->at);
    }
    for (size_t i = 0; problem == NULL && i < out->section_count; i++) {
        problem = read_section_name(reading, i);
    }
    return problem;
}

/* The data channel's section: the first that is one and was not rejected. */
static const char *choose_section(struct reading *reading, size_t *index)
{
    struct session_description *out = reading->out;
    bool rejected = false;

    for (size_t i = 0; i < out->section_count; i++) {
        if (!out->sections[i].is_data_channel) {
            continue;
        }
        if (!reading->port_is_zero[i] || reading->bundle_only[i]) {
            *index = i;
            return NULL;
        }
        rejected = true;
    }
    return rejected ? "its section for a data channel has port 0: the peer rejects it"
                    : "it has no section for a data channel";
}

/* Whether section `index` is in the group BUNDLE; `first` is then the section that speaks for the
 * transport of all in it (RFC 9143 §7.1), or `index` when there is no such section. */
static bool find_bundle(const struct reading *reading, size_t index, size_t *first)
{
    const struct session_description *out = reading->out;
    struct span group = reading->bundle;
    struct span tag = span_next_word(&group);
    bool inside = false;

    *first = index;
    for (size_t i = 0; tag.size > 0 && i < out->section_count; i++) {
        if (span_is(tag, out->sections[i].mid)) {
            *first = i;
            break;
        }
    }
    for (struct span mid = tag; mid.size > 0; mid = span_next_word(&group)) {
        inside = inside || span_is(mid, out->sections[index].mid);
    }
    return inside;
}

static const char *check_complete(const struct session_description *out)
{
    if (out->ufrag[0] == '\0' || out->password[0] == '\0') {
        return "it has no a=ice-ufrag or no a=ice-pwd for the data channel";
    }
    if (out->fingerprint_count == 0) {
        return "it has no a=fingerprint of a hash that we know for the data channel";
    }
    return NULL;
}

static const char *parse(struct reading *reading, struct span text)
{
    struct session_description *out = reading->out;
    size_t index = 0, first = 0;

    const char *problem = divide(reading, text);
    if (problem == NULL) {
        problem = choose_section(reading, &index);
    }
    if (problem == NULL) {
        out->bundled = find_bundle(reading, index, &first);
        out->section_index = (uint16_t)index;
        memcpy(out->mid, out->sections[index].mid, sizeof out->mid);
        problem = read_level(reading, reading->session, LEVEL_SESSION);
    }
    if (problem == NULL) {
        problem = read_level(reading, reading->sections[index], LEVEL_SECTION);
    }
    if (problem == NULL && out->bundled && first != index && out->ufrag[0] == '\0') {
        problem = read_level(reading, reading->sections[first], LEVEL_BUNDLE);
    }
    return problem != NULL ? problem : check_complete(out);
}

const char *session_description_parse(struct session_description *out, const char *text,
                                      size_t size)
{
    struct reading reading = {.out = out, .bundle = {"", 0}};

    memset(out, 0, sizeof *out);
    out->sctp_port = SCTP_PORT_DEFAULT;
    out->max_message_size = MESSAGE_SIZE_DEFAULT;
    if (size > SESSION_DESCRIPTION_SIZE_MAX) {
        return "it is longer than 16384 bytes";
    }
    return parse(&reading, (struct span){text, size});
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static void put_fingerprints(struct text_buffer *buffer,
                             const struct session_description *description)
{
    char text[SESSION_FINGERPRINT_TEXT_SIZE];

    for (size_t i = 0; i < description->fingerprint_count; i++) {
        if (session_fingerprint_format(&description->fingerprints[i], text, sizeof text) > 0) {
            text_buffer_put_format(buffer, "a=fingerprint:%s\r\n", text);
        }
    }
}

static void put_candidates(struct text_buffer *buffer,
                           const struct session_description *description)
{
    char text[ICE_CANDIDATE_TEXT_SIZE];

    for (size_t i = 0; i < description->candidate_count; i++) {
        if (candidate_format(&description->candidates[i], text) > 0) {
            text_buffer_put_format(buffer, "a=%s\r\n", text);
        }
    }
    if (description->end_of_candidates) {
        text_buffer_put_string(buffer, "a=end-of-candidates\r\n");
    }
}

/* `line` is what stands behind "m=", with the port that it shall have. */
static void put_media(struct text_buffer *buffer, const char *media, unsigned port)
{
    struct span rest = {media, strlen(media)};
    struct span kind = span_next_word(&rest);

    (void)span_next_word(&rest);
    text_buffer_put_format(buffer, "m=%.*s %u", (int)kind.size, kind.at, port);
    text_buffer_put(buffer, rest.at, rest.size);
    text_buffer_put_string(buffer, "\r\nc=IN IP4 0.0.0.0\r\n");
}

static void put_data_channel(struct text_buffer *buffer,
                             const struct session_description *description, const char *media,
                             const char *mid)
{
    static const char *const setups[] = {"", "a=setup:actpass\r\n", "a=setup:active\r\n",
                                         "a=setup:passive\r\n"};
    struct span words = {media, strlen(media)};

    (void)span_next_word(&words);
    (void)span_next_word(&words);
    bool old = span_is(span_next_word(&words), "DTLS/SCTP");
    if (old) {
        /* The format is the port of SCTP then: ours. */
        text_buffer_put_format(buffer, "m=application 9 DTLS/SCTP %u\r\nc=IN IP4 0.0.0.0\r\n",
                               description->sctp_port);
    } else {
        put_media(buffer, media, 9);
    }
    if (mid[0] != '\0') {
        text_buffer_put_format(buffer, "a=mid:%s\r\n", mid);
    }
    text_buffer_put_format(buffer, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:%sice2\r\n",
                           description->ufrag, description->password,
                           description->trickle ? "trickle " : "");
    put_fingerprints(buffer, description);
    text_buffer_put_string(buffer, setups[description->setup]);
    if (old) {
        text_buffer_put_format(buffer, "a=sctpmap:%u webrtc-datachannel 65535\r\n",
                               description->sctp_port);
    } else {
        text_buffer_put_format(buffer, "a=sctp-port:%u\r\n", description->sctp_port);
    }
    text_buffer_put_format(buffer, "a=max-message-size:%u\r\n", description->max_message_size);
    if (description->identity[0] != '\0') {
        text_buffer_put_format(buffer, "a=postern-identity:%s\r\n", description->identity);
    }
    put_candidates(buffer, description);
}

static void put_session(struct text_buffer *buffer, const struct session_description *description,
                        const char *bundle)
{
    text_buffer_put_format(buffer, "v=0\r\no=- %llu %llu IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
                           (unsigned long long)description->session_id,
                           (unsigned long long)description->session_version);
    if (bundle != NULL && bundle[0] != '\0') {
        text_buffer_put_format(buffer, "a=group:BUNDLE %s\r\n", bundle);
    }
    if (description->ice_lite) {
        text_buffer_put_string(buffer, "a=ice-lite\r\n");
    }
}

static void put_answer(struct text_buffer *buffer, const struct session_description *description,
                       const struct session_description *offer)
{
    put_session(buffer, description, offer->bundled ? offer->mid : NULL);
    for (size_t i = 0; i < offer->section_count; i++) {
        const struct session_section *section = &offer->sections[i];
        if (i == offer->section_index) {
            put_data_channel(buffer, description, section->media, section->mid);
            continue;
        }
        put_media(buffer, section->media, 0);
        if (section->mid[0] != '\0') {
            text_buffer_put_format(buffer, "a=mid:%s\r\n", section->mid);
        }
        text_buffer_put_string(buffer, "a=inactive\r\n");
    }
}

size_t session_description_format(const struct session_description *description,
                                  const struct session_description *offer, char *text,
                                  size_t capacity)
{
    struct text_buffer buffer;

    text_buffer_init_fixed(&buffer, text, capacity);
    if (offer != NULL) {
        put_answer(&buffer, description, offer);
    } else {
        const char *mid = description->mid[0] != '\0' ? description->mid : "0";
        put_session(&buffer, description, mid);
        put_data_channel(&buffer, description, "application 9 UDP/DTLS/SCTP webrtc-datachannel",
                         mid);
    }
    return text_buffer_finish(&buffer) != NULL ? buffer.size : 0;
}
