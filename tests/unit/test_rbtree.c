// SPDX-License-Identifier: BSD-2-Clause
//
// Red-black tree: random insertions and removals against a sorted array, with the tree's rules
// (order, no red child of a red node, equal black height, parent links) checked throughout; sums of
// subtrees that the tree keeps up to date.
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
    long sum; // of the keys of the subtree, in trees that keep it
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
    struct rb_tree tree = {0};
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
    struct rb_tree tree = {0};
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

static long sum_of(const struct rb_node *node)
{
    return node ? rb_entry(node, struct item, node)->sum : 0;
}

static void update_sum(struct rb_node *node)
{
    rb_entry(node, struct item, node)->sum =
        key_of(node) + sum_of(node->left) + sum_of(node->right);
}

static long check_sums(const struct rb_node *node)
{
    long sum = node ? key_of(node) + check_sums(node->left) + check_sums(node->right) : 0;
    assert_int_equal(sum_of(node), sum);
    return sum;
}

static void sums(void **state)
{
    struct rb_tree tree = {NULL, update_sum};
    unsigned count = 0;
    (void)state;
    srand(2);
    for (unsigned i = 0; i < NODES; i++)
        items[i] = (struct item){.key = 1 + (int)i * 1000};
    for (unsigned step = 0; step < 20000; step++) {
        struct item *item = &items[rand() % NODES];
        if (!item->in) {
            insert(&tree, item);
            count++;
        } else if (rand() % 4) {
            rb_remove(&tree, &item->node);
            item->in = false;
            count--;
        } else { // keeps its place
            item->key = 1 + item->key / 1000 * 1000 + rand() % 900;
            rb_updated(&tree, &item->node);
        }
        check(&tree, count);
        check_sums(tree.root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_order),
        cmocka_unit_test(sorted_order),
        cmocka_unit_test(sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
