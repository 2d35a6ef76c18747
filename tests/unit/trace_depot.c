/* The depot against a model: random trees from several threads, each distinct (parent, pc, flags) once, found again after growth,
 * after a fork, and when memory has run out. */
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/anchor.h"
#include "base/memory.h"
#include "base/table.h"
#include "format/site.h"
#include "trace/depot.h"
#include "trace/modules.h"
#include "trace/threads.h"
#include "unit.h"

#define THREADS 4
#define STACKS 60000
#define DEPTH 12

/* Stack number n, the same for every thread: frames drawn from n, outermost shared by many. In no module, but for one frame. */
static unsigned frames_of(uint64_t n, uintptr_t *pcs)
{
    unsigned depth = (unsigned)(n % DEPTH) + 1;
    for (unsigned i = 0; i < depth; i++) {
        uint64_t state = n >> 2 * (depth - 1 - i);
        pcs[i] = i == 0 ? (uintptr_t)frames_of + n % 64 : (uintptr_t)0x100000 + (uintptr_t)(unit_random(&state) % 5000);
    }
    return depth;
}

static uint32_t intern(uint64_t n)
{
    uintptr_t pcs[DEPTH];
    uint32_t node = 0;
    for (unsigned i = frames_of(n, pcs); i > 0; i--)
        if (!(node = depot_node(node, pcs[i - 1], 0)))
            return 0;
    return node;
}

static uint32_t *ids;       /* what the first thread got */

static void *fill(void *which)
{
    for (uint64_t i = 0; i < STACKS; i++) {
        uint64_t n = ((uintptr_t)which & 1) ? STACKS - 1 - i : i;
        uint32_t node = intern(n), first = 0;
        CHECK(node != 0);
        if (!__atomic_compare_exchange_n(&ids[n], &first, node, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            CHECK(first == node, "stack %lu got two ids", (unsigned long)n);
    }
    return NULL;
}

static void check_all(void)
{
    uintptr_t wanted[DEPTH], got[DEPTH + 1];
    for (uint64_t n = 0; n < STACKS; n++) {
        unsigned depth = frames_of(n, wanted);
        CHECK(depot_frames(ids[n], got, DEPTH + 1) == depth && memcmp(wanted, got, depth * sizeof *got) == 0);
        CHECK(depot_frames(ids[n], got, 1) == 1 && got[0] == wanted[0]);
        const struct record_node *node = table_at(anchor_table(RECORD_TABLE_STACKS), ids[n]);
        CHECK(node->depth == depth && modules_at(record_node_module(node->place))->flags & RECORD_MODULE_MAIN);
    }
    CHECK(depot_consistent(unit_say) == 0);
}

static void sites(void)
{
    uintptr_t pc = (uintptr_t)frames_of;
    uint32_t outer = depot_node(0, 0x1234, 0), node = depot_node(outer, pc, 0);
    const struct record_module *module = modules_at(modules_of(pc));
    uint64_t site = site_add(SITE_EMPTY, modules_identity(modules_of(pc)), pc - module->bias);
    CHECK(depot_site(node) == site_add(site, 0, 0));
    CHECK(depot_site(0) == SITE_EMPTY);
    CHECK(module->build_id_bytes ? modules_identity(modules_of(pc)) == site_module(module->build_id, module->build_id_bytes) : true);
}

static void flags(void)
{
    uint32_t plain = depot_node(0, 0x5555, 0), cut = depot_node(0, 0x5555, RECORD_NODE_TRUNCATED);
    uint32_t exact = depot_node(0, 0x5555, RECORD_NODE_EXACT_PC);
    CHECK(plain != cut && plain != exact && cut != exact);
    CHECK(depot_node(0, 0x5555, RECORD_NODE_TRUNCATED) == cut && depot_node(0, 0x5555, 0) == plain);
    threads_self()->in_capture = true;
    CHECK(depot_node(0, 0x5555, 0) == 0, "inside a capture, a handler gets nothing");
    threads_self()->in_capture = false;
}

static void without_memory(void)
{
    memory_set_limit(memory_own_bytes() + 1);
    uint32_t last = 1;
    unsigned long made = 0;
    for (uintptr_t pc = 0x10000000; made < 10000000 && (last = depot_node(last, pc, 0)) != 0; pc++)
        made++;
    CHECK(last == 0 && made < 10000000, "the limit was never met");
    for (uint64_t n = 0; n < STACKS; n += 7)
        CHECK(intern(n) == ids[n], "what is there is found without memory");
    memory_set_limit(0);
    CHECK(depot_node(1, 0x20000000, 0) != 0, "and with memory it goes on");
    CHECK(depot_consistent(unit_say) == 0);
}

int main(void)
{
    pthread_t threads[THREADS];
    CHECK(depot_node(0, 0x1000, 0) == 0, "before the start, nothing");
    if (!modules_init() || !depot_init() || !threads_init())
        return 99;
    ids = calloc(STACKS, sizeof *ids);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, fill, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_all();
    sites();
    flags();
    pid_t pid = fork();
    if (pid == 0) {
        memory_fork_child();
        modules_fork_child();
        depot_fork_child();
        threads_fork_child();
        check_all();
        CHECK(depot_node(1, 0x777777, 0) != 0);
        _exit(unit_failures != 0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK(status == 0, "the fork child failed");
    without_memory();
    free(ids);
    return unit_result("trace_depot");
}
