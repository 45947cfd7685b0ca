// SPDX-License-Identifier: BSD-2-Clause
//
// Red-black tree: random insertions and removals against a sorted array, with the tree's rules
// (order, no red child of a red node, equal black height, parent links) checked throughout.
//
// unit-sources: core/lib/rbtree.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/lib/rbtree.h"

#define NODES 300

struct item {
    struct rb_node node;
    int key;
    bool in;
};

static struct item items[NODES];

static int key_of(const struct rb_node *node) { return rb_entry(node, struct item, node)->key; }

// Returns the black height.
static int check_below(const struct rb_node *node, const struct rb_node *parent)
{
    if (!node)
        return 1;
    assert_ptr_equal(node->parent, parent);
    if (node->red && parent)
        assert_false(parent->red);
    int left = check_below(node->left, node), right = check_below(node->right, node);
    assert_int_equal(left, right);
    return left + !node->red;
}

static void check(const struct rb_tree *tree, unsigned count)
{
    unsigned seen = 0;
    int last = -1;
    if (tree->root)
        assert_false(tree->root->red);
    check_below(tree->root, NULL);
    for (struct rb_node *node = rb_first(tree); node; node = rb_next(node), seen++) {
        assert_true(key_of(node) >= last);
        assert_true(rb_entry(node, struct item, node)->in);
        last = key_of(node);
    }
    assert_int_equal(seen, count);
}

static void insert(struct rb_tree *tree, struct item *item)
{
    struct rb_node **link = &tree->root, *parent = NULL;
    while (*link) {
        parent = *link;
        link = item->key < key_of(parent) ? &parent->left : &parent->right;
    }
    rb_insert(tree, &item->node, parent, link);
    item->in = true;
}

static void random_order(void **state)
{
    struct rb_tree tree = {NULL};
    unsigned count = 0;
    (void)state;
    srand(1);
    for (unsigned i = 0; i < NODES; i++)
        items[i] = (struct item){.key = rand() % 200}; // equal keys too
    for (unsigned step = 0; step < 20000; step++) {
        struct item *item = &items[rand() % NODES];
        if (item->in) {
            rb_remove(&tree, &item->node);
            item->in = false;
            count--;
        } else {
            insert(&tree, item);
            count++;
        }
        check(&tree, count);
    }
}

static void sorted_order(void **state)
{
    struct rb_tree tree = {NULL};
    (void)state;
    assert_null(rb_first(&tree));
    for (int i = 0; i < NODES; i++) {
        items[i] = (struct item){.key = i};
        insert(&tree, &items[i]);
        check(&tree, i + 1);
    }
    for (int i = 0; i < NODES; i++) { // always the first, as timers do
        assert_int_equal(key_of(rb_first(&tree)), i);
        rb_remove(&tree, rb_first(&tree));
        items[i].in = false;
        check(&tree, NODES - 1 - i);
    }
    assert_null(tree.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_order),
        cmocka_unit_test(sorted_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
