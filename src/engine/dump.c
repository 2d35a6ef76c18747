/* Dumps: when --dump-on wants one, and when the program does. They are written by the agent, from an image.
 *
 *   error   the first one of the process: from a frozen copy, while the program goes on
 *   crash   the program is dying: its threads stand still, the process itself is read, with the fault's registers and siginfo
 *   exit    as for the report of the end
 *   API     from a frozen copy; waited for, since the program wants to know what became of it */
#include <errno.h>
#include <sys/syscall.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "engine/snapshot.h"
#include "engine/state.h"
#include "snapshot/agent.h"
#include "snapshot/park.h"

enum { ON_CRASH = 1, ON_ERROR = 2, ON_EXIT = 4 };   /* the choices of --dump-on, in their order */

static bool error_dumped;       /* atomic */
static siginfo_t fatal;         /* of the signal that the program is dying of */

void dump_on_error(struct thread_state *self, enum record_kind kind, const struct capture_start *from)
{
    bool dies = kind == RECORD_KIND_INVALID_ACCESS && config_of(OPTION_DUMP_ON) & ON_CRASH;    /* that dump is coming */
    if (!(config_of(OPTION_DUMP_ON) & ON_ERROR) || dies || __atomic_exchange_n(&error_dumped, true, __ATOMIC_RELAXED))
        return;
    struct snapshot snapshot = {.from = from, .low = from ? from->sp : 0, .inside = true};
    if (!agent_hold())
        return;
    agent_fill(&snapshot.request, WIRE_DUMP, 0, 0, 0);
    snapshot.request.cause = WIRE_CAUSE_ERROR;
    snapshot_tell(self, &snapshot);
    agent_drop();
}

void dump_fork_child(void)
{
    error_dumped = false;
}

static void exchange_dump(enum wire_cause cause, unsigned silent)
{
    struct wire_request request;
    struct wire_reply reply;
    agent_fill(&request, WIRE_DUMP, silent ? 0 : WIRE_PARKED, 0, 0);
    request.cause = cause;
    request.silent = silent;
    agent_exchange(&request, &reply);
}

void dump_on_crash(struct thread_state *self, int number, const siginfo_t *info, const ucontext_t *context)
{
    if (!(config_of(OPTION_DUMP_ON) & ON_CRASH) || !agent_hold())
        return;
    memory_copy(&fatal, info, sizeof fatal);
    midden_anchor.siginfo = (uintptr_t)&fatal;
    midden_anchor.end = RECORD_END_SIGNAL;
    midden_anchor.end_status = number;
    midden_anchor.end_thread = self->index;
    unsigned silent = park_all(config_of(OPTION_PARK_TIMEOUT));
    park_note_self(context);
    uint32_t state = __atomic_exchange_n(&self->record->state, RECORD_THREAD_PARKED, __ATOMIC_RELEASE);
    exchange_dump(WIRE_CAUSE_CRASH, silent);
    __atomic_store_n(&self->record->state, state, __ATOMIC_RELEASE);
    park_release();
    agent_drop();
}

void dump_on_exit(void)
{
    if (config_of(OPTION_DUMP_ON) & ON_EXIT)
        exchange_dump(WIRE_CAUSE_EXIT, 0);
}

int engine_dump(const char *path)
{
    struct snapshot snapshot = {.inside = false};
    struct wire_reply reply;
    char *to = snapshot.request.path;
    size_t n = memory_length(path), folder = 0;
    if (!engine_started())
        return -EAGAIN;
    struct thread_state *self = threads_self();
    agent_fill(&snapshot.request, WIRE_DUMP, 0, 0, 0);
    snapshot.request.cause = WIRE_CAUSE_API;
    snapshot.reply = &reply;
    if (path[0] && path[0] != '/') {    /* the agent may be at work in another directory */
        long got = kernel_call(SYS_getcwd, (long)(uintptr_t)to, WIRE_PATH_BYTES - 1, 0, 0, 0, 0);
        if (got <= 1 || to[0] != '/')
            return got < 0 ? (int)got : -ENOENT;
        folder = (size_t)got - 1;
        to[folder++] = '/';
    }
    if (folder + n >= WIRE_PATH_BYTES)
        return -ENAMETOOLONG;
    memory_copy(to + folder, path, n + 1);
    engine_enter(self);
    bool held = agent_hold(), answered = held && snapshot_tell(self, &snapshot);
    if (held)
        agent_drop();
    engine_leave(self);
    return !answered ? -EIO : reply.status ? -EIO : 0;
}
