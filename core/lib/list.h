// SPDX-License-Identifier: BSD-2-Clause
//
// Circular doubly linked list with the link inside the element. A head is a link that belongs
// to no element. No locking: the owner of the list states its lock.

#pragma once

#include "core/lib/types.h"

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name) {&(name), &(name)}

static inline void list_init(struct list *head) { head->next = head->prev = head; }
static inline bool list_empty(const struct list *head) { return head->next == head; }

static inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

// Insert at the front (list_add) or at the end (list_add_tail).
static inline void list_add(struct list *head, struct list *node)
{
    list_insert_between(node, head, head->next);
}
static inline void list_add_tail(struct list *head, struct list *node)
{
    list_insert_between(node, head->prev, head);
}

// Remove and leave the node pointing at itself, so that list_empty(node) tells it is off-list.
static inline void list_del(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#define list_entry(link, type, member) container_of(link, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_for_each(it, head, member)                                                 \
    for (it = list_entry((head)->next, __typeof__(*it), member); &it->member != (head); \
         it = list_entry(it->member.next, __typeof__(*it), member))
// The current element may be removed or freed in the body.
#define list_for_each_safe(it, tmp, head, member)                   \
    for (it = list_entry((head)->next, __typeof__(*it), member),    \
        tmp = list_entry(it->member.next, __typeof__(*it), member); \
         &it->member != (head);                                     \
         it = tmp, tmp = list_entry(it->member.next, __typeof__(*it), member))
