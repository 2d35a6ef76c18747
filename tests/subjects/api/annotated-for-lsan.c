/* A program annotated for LeakSanitizer, in the ways that projects do it. Built without it, the functions are weak.
 *
 * argv: what to do. -DOPTIONS, -DSUPPRESSIONS, -DTURNED_OFF: which of its hooks it has. */
#include <sanitizer/lsan_interface.h>
#include "subject.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(REAL_LSAN)
#pragma weak __lsan_ignore_object
#pragma weak __lsan_disable
#pragma weak __lsan_enable
#pragma weak __lsan_do_leak_check
#pragma weak __lsan_do_recoverable_leak_check
#pragma weak __lsan_register_root_region
#pragma weak __lsan_unregister_root_region
#endif

#ifdef OPTIONS
const char *__lsan_default_options(void) { return OPTIONS; }
#endif
#ifdef SUPPRESSIONS
const char *__lsan_default_suppressions(void) { return SUPPRESSIONS; }
#endif
#ifdef TURNED_OFF
int __lsan_is_turned_off(void) { return 1; }
#endif

#ifndef __has_feature
#define __has_feature(x) 0
#endif

struct node {
    struct node *next;
    char name[40];
};

static NOINLINE struct node *chain(unsigned n)
{
    struct node *first = NULL;
    while (n--) {
        struct node *node = malloc(sizeof *node);
        node->next = first;
        first = node;
    }
    return first;
}

static NOINLINE void drop_chain(void) { struct node *list = chain(3); KEEP(list); }
static NOINLINE void ignore_chain(void)
{
    struct node *list = chain(3);
    if (__lsan_ignore_object)
        __lsan_ignore_object(list->name);       /* any address in it */
}
static NOINLINE void disabled_chain(void)
{
    __lsan_disable();
    __lsan_disable();
    drop_chain();
    __lsan_enable();
    drop_chain();
    __lsan_enable();
}

/* Memory that no checker would look at: inaccessible to it until it is a root. */
static uintptr_t *region;
static NOINLINE void in_region(void)
{
    struct node *list = chain(2);
    region[2] = (uintptr_t)list;
}

int main(int argc, char **argv)
{
    int checked = -1;
    (void)argc;
    if (strcmp(argv[1], "leak") == 0) {
        drop_chain();
    } else if (strcmp(argv[1], "ignore") == 0) {
        ignore_chain();
    } else if (strcmp(argv[1], "disable") == 0) {
        disabled_chain();
    } else if (strcmp(argv[1], "region") == 0 || strcmp(argv[1], "region-gone") == 0) {
        /* In a block that nobody holds: a root only as long as it is registered. */
        region = malloc(64);
        in_region();
        __lsan_register_root_region(region, 64);
        if (argv[1][6])
            __lsan_unregister_root_region(region, 64);
        region = NULL;
    } else if (strcmp(argv[1], "check") == 0) {
        drop_chain();
        scrub();
        __lsan_do_leak_check();
        printf("still here\n");
    } else if (strcmp(argv[1], "check-clean") == 0) {
        __lsan_do_leak_check();
        drop_chain();           /* after the one check: nobody's business */
        printf("still here\n");
    } else if (strcmp(argv[1], "recoverable") == 0) {
        checked = __lsan_do_recoverable_leak_check();
        printf("before %d\n", checked);
        drop_chain();
        scrub();
        checked = __lsan_do_recoverable_leak_check();
        printf("after %d\n", checked);
    }
    scrub();
    return 0;
}
