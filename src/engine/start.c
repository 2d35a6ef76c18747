/* Start: from nothing to a working heap, at the first call that needs one.
 *
 * That call often comes from the dynamic loader, before libc's own constructors: nothing here may depend on them. The environment
 * is found through `environ` or, while libc has not set that yet, behind the arguments at the top of the initial stack. */
#include "engine/end.h"
#include "engine/publish.h"
#include "engine/signals.h"
#include "engine/snapshot.h"
#include "engine/state.h"
#include "heap/quick.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "base/print.h"
#include "base/table.h"
#include "check/fault.h"
#include "check/finding.h"
#include "check/quarantine.h"
#include "check/watch.h"
#include "engine/objects.h"
#include "snapshot/agent.h"
#include "snapshot/park.h"
#include "trace/depot.h"
#include "trace/modules.h"

#ifndef MIDDEN_BINDIR
#error "the build says where the midden command is installed"
#endif

#define PARANOID_BUDGET 65536u

_Static_assert(SLAB_STRIDE_MAX - LEAN_APART <= RECORD_LEAN_SIZE_MASK, "a lean record can tell the size of any block of a slab");

struct engine engine;

extern char **environ;
extern void *__libc_stack_end __attribute__((weak));

static char own_path[4096];
static char command_path[4096];

/* ---- the environment ---- */

static char **early_environment(void)
{
    if (environ)
        return environ;
    if (!&__libc_stack_end || !__libc_stack_end)
        return NULL;
    uintptr_t *stack = __libc_stack_end;   /* argc, argv[argc], NULL, envp[]… */
    return (char **)(void *)(stack + 1 + stack[0] + 1);
}

static const char *variable(char **environment, const char *name)
{
    size_t n = memory_length(name);
    for (; environment && *environment; environment++)
        if (!memory_compare(*environment, name, n) && (*environment)[n] == '=')
            return *environment + n + 1;
    return NULL;
}

/* A copy that outlives the environment. */
static const char *keep(const char *text)
{
    if (!text)
        return NULL;
    size_t n = memory_length(text) + 1;
    char *copy = memory_keep(n, 1);
    if (copy)
        memory_copy(copy, text, n);
    return copy;
}

static void complain(const struct option_span *name, const struct option_span *value)
{
    if (value) {
        enum option_id id = option_find(name->start, name->length);
        print_line("MIDDEN_OPTIONS: '%.*s' is no value of %s (%s); it is ignored", (int)value->length, value->start,
                   option_rows[id].name, option_rows[id].values);
        return;
    }
    enum option_id near = option_nearest(name->start, name->length);
    if (near != OPTIONS)
        print_line("MIDDEN_OPTIONS: there is no option '%.*s' (did you mean %s?); it is ignored", (int)name->length,
                   name->start, option_rows[near].name);
    else
        print_line("MIDDEN_OPTIONS: there is no option '%.*s'; it is ignored", (int)name->length, name->start);
}

/* ---- paths ---- */

static long read_whole(const char *path, char *text, size_t size)
{
    long fd = kernel_call(SYS_openat, AT_FDCWD, (long)(uintptr_t)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        return fd;
    size_t n = 0;
    long got;
    while (n < size && (got = kernel_call(SYS_read, fd, (long)(uintptr_t)(text + n), (long)(size - n), 0, 0, 0)) > 0)
        n += (size_t)got;
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
    return (long)n;
}

static uint64_t hexadecimal(const char **text)
{
    uint64_t value = 0;
    for (;; ++*text) {
        unsigned c = (unsigned char)**text, digit = c - '0';
        if (digit > 9)
            digit = (c | 0x20) - 'a' + 10;
        if (digit > 15)
            return value;
        value = value << 4 | digit;
    }
}

/* Where libmidden.so lies, in memory and on disk, from /proc/self/maps: LD_PRELOAD may have named it relatively or through a link. */
static void find_self(void)
{
    enum { MAPS = 1 << 20 };
    char *maps = memory_map(MAPS, 0, RECORD_PURPOSE_OTHER);
    if (!maps)
        return;
    long n = read_whole("/proc/self/maps", maps, MAPS - 1);
    uintptr_t here = (uintptr_t)&find_self;
    size_t path_length = 0;
    /* First the line that holds this code, for the path; then the extent of all lines with that path. */
    for (int pass = 0; pass < 2; pass++) {
        const char *at = maps;
        while (n > 0 && at < maps + n) {
            const char *line_end = at;
            while (line_end < maps + n && *line_end != '\n')
                line_end++;
            uint64_t start = hexadecimal(&at);
            at++;
            uint64_t end = hexadecimal(&at);
            const char *path = at;
            while (path < line_end && *path != '/')
                path++;
            size_t length = (size_t)(line_end - path);
            if (pass == 0 && start <= here && here < end && length && length < sizeof own_path) {
                memory_copy(own_path, path, length);
                path_length = length;
            } else if (pass == 1 && path_length && length == path_length && !memory_compare(path, own_path, length)) {
                if (!midden_anchor.own_start || start < midden_anchor.own_start)
                    midden_anchor.own_start = start;
                if (end > midden_anchor.own_end)
                    midden_anchor.own_end = end;
            }
            at = line_end + 1;
        }
    }
    /* The zeroed tail of our data is an anonymous mapping right behind. */
    extern char _end[] __attribute__((visibility("hidden")));
    uintptr_t tail = ((uintptr_t)_end + kernel_page_size() - 1) & ~(kernel_page_size() - 1);
    if (midden_anchor.own_end && tail > midden_anchor.own_end)
        midden_anchor.own_end = tail;
    memory_unmap(maps, MAPS);
}

/* The command beside the library: installed (lib/midden/libmidden.so, bin/midden), in a build tree (.libs/libmidden.so, midden),
 * or where this build was to be installed. */
static const char *find_command(void)
{
    static const char *const beside[] = {"/../../bin/midden", "/../bin/midden", "/../midden", "/midden",
                                         "/../../../bin/midden", "/../../midden"};     /* from the folder unchecked/ */
    size_t folder = memory_length(own_path);
    while (folder && own_path[folder - 1] != '/')
        folder--;
    for (unsigned i = 0; folder && i < sizeof beside / sizeof *beside; i++) {
        struct stat found;
        print_format(command_path, sizeof command_path, "%.*s%s", (int)(folder - 1), own_path, beside[i]);
        if (kernel_call(SYS_newfstatat, AT_FDCWD, (long)(uintptr_t)command_path, (long)(uintptr_t)&found, 0, 0, 0) == 0
            && S_ISREG(found.st_mode) && found.st_mode & 0111)
            return command_path;
    }
    return MIDDEN_BINDIR "/midden";
}

static void keep_command_line(void)
{
    static char text[16384];
    long n = read_whole("/proc/self/cmdline", text, sizeof text);
    if (n > 0) {
        midden_anchor.cmdline = table_string(text, (size_t)n);
        midden_anchor.cmdline_bytes = midden_anchor.cmdline ? (uint64_t)n : 0;
    }
}

/* ---- parts ---- */

static void apply_profile(void)
{
    enum config_profile profile = (enum config_profile)config_of(OPTION_PROFILE);
    bool checks = profile == PROFILE_FULL || profile == PROFILE_PARANOID;
    bool fill = checks && config_yes(OPTION_FILL);
    guard_setting.front = checks ? ENGINE_FRONT : LEAN_FRONT;
    guard_setting.rear = checks ? 16 : 0;
    guard_setting.apart = checks ? guard_setting.front + guard_setting.rear : LEAN_APART;
    guard_setting.fill_alloc = fill ? GUARD_FILL_ALLOC : GUARD_NO_FILL;
    guard_setting.fill_free = fill ? GUARD_FILL_FREE : GUARD_NO_FILL;
    engine.stacks = true;
    engine.free_stacks = profile != PROFILE_LEAKS;
    engine.sampled = profile == PROFILE_PRODUCTION;
    engine.front = guard_setting.front;
    engine.apart = guard_setting.apart;
    engine.witnesses = checks;
    engine.lean = !checks;
    midden_anchor.profile = (uint32_t)profile;
    midden_anchor.front_guard = (uint32_t)guard_setting.front;
    midden_anchor.rear_guard = (uint32_t)guard_setting.rear;
    midden_anchor.fill_alloc = guard_setting.fill_alloc;
    midden_anchor.fill_free = guard_setting.fill_free;
    midden_anchor.num_callers = (uint32_t)config_of(OPTION_NUM_CALLERS);
}

static void damaged_in_quarantine(const struct guard_block *block, const struct record_block *record,
                                  const struct guard_damage *damage, enum record_detected detected)
{
    struct record_finding finding;
    fault_of_damage(block, record, damage, true, detected, &finding);
    report_finding(threads_self(), &finding, NULL);
}

static void start_page_guards(bool checks)
{
    bool every = config_of(OPTION_PROFILE) == PROFILE_PARANOID;
    uint64_t wanted = config_of(OPTION_GUARD_BUDGET);
    if (every && !config.given[OPTION_GUARD_BUDGET])
        wanted = PARANOID_BUDGET;
    bool zones = checks;
    checks = checks || config_of(OPTION_PROFILE) == PROFILE_PRODUCTION;     /* there: of the sampled blocks */
    uint64_t budget = checks ? pageguard_init(wanted, every, config_of(OPTION_GUARD_ALIGN) == GUARD_ALIGN_EXACT,
                                                blocks_announce_guarded) : 0;
    engine.guards_pages = budget != 0;
    if (checks && budget < wanted && config.given[OPTION_GUARD_BUDGET])
        print_line("--guard-budget=%lu is more than can be had here; it is lowered to %lu", (unsigned long)wanted,
                   (unsigned long)budget);
    if (budget && zones)
        watch_init(config_of(OPTION_WATCHPOINTS) == WATCHPOINTS_AUTO);
    else
        watch_stop(false);
    const char *sites = config.text[OPTION_GUARD_SITE].start;
    for (size_t i = 0; sites && i < config.text[OPTION_GUARD_SITE].length; i++) {
        const char *at = sites + i;
        uint64_t site = hexadecimal(&at);
        bool low = at < sites + config.text[OPTION_GUARD_SITE].length && *at == '-';
        while (at < sites + config.text[OPTION_GUARD_SITE].length && *at != ',')
            at++;
        pageguard_add_site(site, low ? PAGEGUARD_LOW : PAGEGUARD_HIGH);
        i = (size_t)(at - sites);
    }
}

static bool start_heap(void)
{
    struct heap_config layout = {
        .page_size = kernel_page_size(),
        .tag_bytes = sizeof(struct record_block),
        .slab_tag_bytes = slab_record_bytes(),
        .phase = guard_setting.front,
        .engine = (enum heap_engine)config_of(OPTION_HEAP),
        .fit = (enum heap_fit)config_of(OPTION_FIT),
        .apart = guard_setting.rear && config_of(OPTION_QUARANTINE),
    };
    engine.heap = heap_create(&layout, &blocks_hooks);
    if (!engine.heap)
        return false;
    /* The reserve serves signal handlers that interrupt the engine: seldom, so it takes little at a time. */
    layout.arena_bytes = (size_t)1 << 20;
    layout.engine = HEAP_AUTO;
    layout.apart = false;
    engine.reserve = heap_create(&layout, &blocks_reserve_hooks);
    layout.tag_bytes = layout.slab_tag_bytes = 0;
    engine.unrecorded = heap_create(&layout, &blocks_unrecorded_hooks);
    bool checks = guard_setting.rear != 0;
    start_page_guards(checks);
    bool alike = config_of(OPTION_PROFILE) == PROFILE_PARANOID && !config.given[OPTION_QUARANTINE_SAMPLE];
    quarantine_init(engine.heap, checks ? config_of(OPTION_QUARANTINE) : 0, !config.given[OPTION_QUARANTINE],
                    alike ? 1 : (unsigned)config_of(OPTION_QUARANTINE_SAMPLE), damaged_in_quarantine);
    size_t most = config_of(OPTION_PROFILE) == PROFILE_PARANOID ? 0 : quick_room_max(engine.heap);
    engine.quick_limit = most > guard_setting.apart ? most - guard_setting.apart + 1 : 0;
    return true;
}

bool engine_started(void)
{
    return __atomic_load_n(&engine.stage, __ATOMIC_ACQUIRE) >= ENGINE_READY;
}

void engine_start(void)
{
    uint32_t expected = ENGINE_NOT_STARTED;
    if (!__atomic_compare_exchange_n(&engine.stage, &expected, ENGINE_STARTING, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return;
    char **environment = early_environment();
    midden_anchor.pid = (int32_t)kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
    midden_anchor.page_size = (uint32_t)kernel_page_size();
    table_init(anchor_table(RECORD_TABLE_STRINGS), 1, 18, (uint64_t)1 << 30);
    const char *options = keep(variable(environment, "MIDDEN_OPTIONS"));
    config_read(options, complain);
    struct timespec now = {0, 0};
    kernel_call(SYS_clock_gettime, CLOCK_REALTIME, (long)(uintptr_t)&now, 0, 0, 0, 0);
    midden_anchor.start_time = (uint64_t)now.tv_sec;
    find_self();
    keep_command_line();
    midden_anchor.options = options ? table_string(options, memory_length(options)) : 0;

    apply_profile();
    free_init();
    bool whole = table_init(anchor_table(RECORD_TABLE_ROOTS), sizeof(struct record_root), 8, 1 << 16) && marks_init() && objects_init()
        && blocks_init() && finding_init(config_of(OPTION_MAX_FINDINGS)) && modules_init() && depot_init();
    threads_init();
    if (!start_heap()) {
        print_line("no memory for a heap: the program's allocations will fail");
        kernel_call(SYS_exit_group, 125, 0, 0, 0, 0, 0);
    }
    if (!whole)
        print_line("no memory for the tool's records: reports will be incomplete");

    engine.child.library = own_path[0] ? own_path : NULL;
    engine.child.options = options;
    engine.child.agent = keep(variable(environment, "MIDDEN_AGENT"));
    engine.child.follow = config_yes(OPTION_FOLLOW_CHILDREN);
    agent_init(engine.child.agent, find_command(), options, config_of(OPTION_AGENT_TIMEOUT));
    /* The tables that are reserved at the start are not what the user wants limited: records that grow with the program are. */
    if (config_of(OPTION_MEMORY_LIMIT))
        memory_set_limit(memory_own_bytes() + config_of(OPTION_MEMORY_LIMIT));
    __atomic_store_n(&midden_anchor.phase, RECORD_RUNNING, __ATOMIC_RELEASE);
    __atomic_store_n(&engine.stage, ENGINE_READY, __ATOMIC_RELEASE);
    __atomic_store_n(&engine.quick_below, engine.quick_limit, __ATOMIC_RELEASE);
}

void engine_open_libraries(void)
{
    engine_start();
    park_init(snapshot_on_signal);
    snapshot_publish();
    signals_init();
    endings_init();
    watch_open(engine_takes_signal(SIGTRAP));
    struct thread_state *self = threads_self();
    engine_enter(self);         /* who asks for a snapshot now asks again */
    agent_tell_started();
    engine_leave(self);
    periodic_start();
}

const struct engine_child_env *engine_child_env(void)
{
    return &engine.child;
}
