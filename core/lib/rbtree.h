// SPDX-License-Identifier: BSD-2-Clause
//
// Red-black tree with the node inside the element (Cormen et al., chapter 13). The user walks
// down to find the place; these functions link, balance and unlink. Not locked.

#pragma once

#include "core/lib/types.h"

struct rb_node {
    struct rb_node *parent, *left, *right;
    bool red;
};

struct rb_tree {
    struct rb_node *root;
    // For trees whose nodes know something of all that is below them: computes it for `node`, from
    // its element and its children's values. NULL in other trees.
    void (*update)(struct rb_node *node);
};

// Links `node` as the child at *link under `parent` (link is &tree->root or a child pointer that
// is NULL) and rebalances.
void rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent,
               struct rb_node **link);
void rb_remove(struct rb_tree *tree, struct rb_node *node);
// To be called when what tree->update looks at has changed in an element: `node` and all above it
// are computed anew. Insertion and removal do so by themselves.
void rb_updated(struct rb_tree *tree, struct rb_node *node);
struct rb_node *rb_first(const struct rb_tree *tree);
struct rb_node *rb_next(const struct rb_node *node);

#define rb_entry(node, type, member) container_of(node, type, member)
