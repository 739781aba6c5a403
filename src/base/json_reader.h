/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads JSON (RFC 8259) from the network: whole, in place, and within bounds that the caller sets.
 * Strictly the grammar; beyond it a text is refused whose strings are not UTF-8, hold a zero or
 * half a surrogate pair, whose objects have a member twice or more than JSON_MEMBERS_MAX, or that
 * is deeper or has more values than there is room for. Nothing is allocated.
 *
 *     struct json_node nodes[64];
 *     struct json_tree tree = {.nodes = nodes, .capacity = 64, .depth_max = 8};
 *     if (json_read(&tree, text, size)) {
 *         node = json_find(&tree, &nodes[0], "urls");
 */
#ifndef BASE_JSON_READER_H
#define BASE_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MEMBERS_MAX 64

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_node {
    const char *key;  /* of a member; ends with zero */
    const char *text; /* STRING: unescaped, ends with zero; NUMBER: as written, `size` bytes */
    uint32_t size;    /* of text, or how many members or elements */
    uint32_t child;   /* index of the first member or element, 0: none */
    uint32_t next;    /* of the next one beside this, 0: none */
    enum json_type type;
};

struct json_tree {
    struct json_node *nodes; /* the caller's; the first is the root */
    size_t capacity, count;
    unsigned depth_max; /* of arrays and objects in each other */
};

/*
 * Reads `size` bytes of `text`, which are changed and must live as long as the nodes are used;
 * text[size] becomes zero, so there must be room for it. Returns whether it was one value with
 * nothing but space around it.
 */
bool json_read(struct json_tree *tree, char *text, size_t size);

/* The member of an object, or NULL when there is none or `object` is not one. */
const struct json_node *json_find(const struct json_tree *tree, const struct json_node *object,
                                  const char *key);
/* The first member or element, and the one after; NULL at the end. */
const struct json_node *json_child(const struct json_tree *tree, const struct json_node *node);
const struct json_node *json_next(const struct json_tree *tree, const struct json_node *node);

/* Whether the node is a whole number, written without fraction and exponent, of at most `max`. */
bool json_node_u64(const struct json_node *node, uint64_t max, uint64_t *out);
/* Whether the node is a number that a double can hold, roundings aside. */
bool json_node_real(const struct json_node *node, double *out);

#endif
