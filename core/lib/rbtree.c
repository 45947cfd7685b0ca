// SPDX-License-Identifier: BSD-2-Clause
//
// Red-black tree (Cormen et al., "Introduction to Algorithms", chapter 13), with NULL for the
// black leaves: the removal fix-up therefore carries the parent along. Mirror-image cases share
// one piece of code by a `side` index.

#include "core/lib/rbtree.h"

enum side { LEFT, RIGHT };

static struct rb_node **child(struct rb_node *node, enum side side)
{
    return side == LEFT ? &node->left : &node->right;
}

static enum side other(enum side side) { return side == LEFT ? RIGHT : LEFT; }

static bool is_red(const struct rb_node *node) { return node && node->red; }

// Puts `new` (may be NULL) where `old` hangs below its parent.
static void replace_child(struct rb_tree *tree, struct rb_node *old, struct rb_node *new)
{
    struct rb_node *parent = old->parent;
    if (!parent)
        tree->root = new;
    else
        *child(parent, parent->left == old ? LEFT : RIGHT) = new;
    if (new)
        new->parent = parent;
}

// Moves `node` down to `side`; its child on the other side takes its place.
static void rotate(struct rb_tree *tree, struct rb_node *node, enum side side)
{
    struct rb_node *up = *child(node, other(side));
    struct rb_node *inner = *child(up, side);
    replace_child(tree, node, up);
    *child(node, other(side)) = inner;
    if (inner)
        inner->parent = node;
    *child(up, side) = node;
    node->parent = up;
    if (tree->update) { // nodes above have the same below them as before
        tree->update(node);
        tree->update(up);
    }
}

void rb_updated(struct rb_tree *tree, struct rb_node *node)
{
    for (; node && tree->update; node = node->parent)
        tree->update(node);
}

void rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent,
               struct rb_node **link)
{
    node->parent = parent;
    node->left = node->right = NULL;
    node->red = true;
    *link = node;
    rb_updated(tree, node);

    while (is_red(parent)) { // a red parent is not the root: there is a grandparent
        struct rb_node *grand = parent->parent;
        enum side side = grand->left == parent ? LEFT : RIGHT;
        struct rb_node *uncle = *child(grand, other(side));
        if (is_red(uncle)) {
            parent->red = uncle->red = false;
            grand->red = true;
            node = grand;
            parent = node->parent;
            continue;
        }
        if (node == *child(parent, other(side))) {
            rotate(tree, parent, side);
            parent = node;
        }
        parent->red = false;
        grand->red = true;
        rotate(tree, grand, other(side));
        break;
    }
    tree->root->red = false;
}

// The subtree on `side` of `parent` has one black node too few. Returns true when that is cured;
// otherwise the lack has moved up to `parent`.
static bool fix_step(struct rb_tree *tree, struct rb_node *parent, enum side side)
{
    struct rb_node *sibling = *child(parent, other(side));
    if (sibling->red) {
        sibling->red = false;
        parent->red = true;
        rotate(tree, parent, side);
        sibling = *child(parent, other(side));
    }
    struct rb_node *near = *child(sibling, side), *far = *child(sibling, other(side));
    if (!is_red(near) && !is_red(far)) {
        sibling->red = true;
        return false;
    }
    if (!is_red(far)) {
        near->red = false;
        sibling->red = true;
        rotate(tree, sibling, other(side));
        far = sibling;
        sibling = near;
    }
    sibling->red = parent->red;
    parent->red = false;
    far->red = false;
    rotate(tree, parent, side);
    return true;
}

// `node` (may be NULL) hangs on `side` below `parent` and has one black node too few.
static void fix_removal(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent,
                        enum side side)
{
    while (parent && !is_red(node)) {
        if (fix_step(tree, parent, side))
            return;
        node = parent;
        parent = node->parent;
        if (parent)
            side = parent->left == node ? LEFT : RIGHT;
    }
    if (node)
        node->red = false;
}

// Lets the in-order successor of `node`, which has two children, take its place and colour, so
// that what is missing is the successor's old position.
static void swap_with_successor(struct rb_tree *tree, struct rb_node *node, struct rb_node *next)
{
    struct rb_node *below = next->right, *below_parent = next->parent;
    bool next_red = next->red;

    replace_child(tree, node, next);
    next->red = node->red;
    next->left = node->left;
    next->left->parent = next;
    if (below_parent == node) {
        next->right = node;
        node->parent = next;
    } else {
        next->right = node->right;
        next->right->parent = next;
        below_parent->left = node;
        node->parent = below_parent;
    }
    node->red = next_red;
    node->left = NULL;
    node->right = below;
    if (below)
        below->parent = node;
}

void rb_remove(struct rb_tree *tree, struct rb_node *node)
{
    if (node->left && node->right)
        swap_with_successor(tree, node, rb_next(node));

    struct rb_node *only = node->left ? node->left : node->right, *parent = node->parent;
    enum side side = parent && parent->right == node ? RIGHT : LEFT;
    replace_child(tree, node, only);
    rb_updated(tree, parent); // a successor that took the node's place is on the way up
    if (!node->red)
        fix_removal(tree, only, parent, side);
}

struct rb_node *rb_first(const struct rb_tree *tree)
{
    struct rb_node *node = tree->root;
    while (node && node->left)
        node = node->left;
    return node;
}

struct rb_node *rb_next(const struct rb_node *node)
{
    if (node->right) {
        struct rb_node *next = node->right;
        while (next->left)
            next = next->left;
        return next;
    }
    while (node->parent && node->parent->right == node)
        node = node->parent;
    return node->parent;
}
