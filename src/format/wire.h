/* What the library in a program and the agent say to each other, over a SOCK_SEQPACKET Unix socket.
 *
 * The library connects, sends one struct wire_request with descriptors of its own process attached (SCM_RIGHTS:
 * /proc/self/mem, /proc/self/maps; permission is checked when they are opened, so the agent needs no
 * right to trace; where the process cannot open them, none, and the agent tries to by its number), waits for one struct wire_reply, and closes. The stopped threads, if any, stay stopped until then.
 *
 * Under `midden run` the agent listens on an abstract socket whose name is in the environment variable MIDDEN_AGENT
 * (without the leading NUL). Otherwise the library starts `midden agent --fd=N` itself and speaks through N.
 *
 * A frozen image (WIRE_FROZEN) is a forked copy of the process, which sends the request itself. The descriptors are then the
 * copy's: mem, maps, pagemap (any of them may be missing) and a socket, its life: the copy ends when the last descriptor of
 * that socket is closed. Over it the copy gives out ranges of its memory to a reader that has no descriptor of mem: struct
 * wire_range in, that many bytes or fewer out, in one message; an empty message: nothing can be read there.
 *
 * ---- asking a process for its image ---------------------------------------------------------------------------------------
 *
 * There is no thread in the process that could listen. So the one who asks listens, and a signal says where:
 *
 *    the one who asks                                          the process
 *    looks for a mapping that tells NUMBER (WIRE_LIBRARY)  ◀────  the library made it when it took that signal
 *    listens on the abstract name WIRE_RENDEZVOUS + hexadecimal WORD
 *    rt_tgsigqueueinfo(pid, tid, NUMBER, {SI_QUEUE, value: WORD})  ──▶  its handler: the sender's user is ours, or root
 *    accepts, and looks who connected (SO_PEERCRED)     ◀────  connects, and looks who listens (SO_PEERCRED)
 *    has an image                                       ◀────  struct wire_request WIRE_SNAPSHOT; status: enum wire_answer
 *
 * WORD is random. Without a library that knows the signal none is sent: it would end the process. */
#ifndef MIDDEN_FORMAT_WIRE_H
#define MIDDEN_FORMAT_WIRE_H

#include <stdint.h>

#include "format/record.h"

#define WIRE_MAGIC 0x4e44444du   /* "MDDN" */
#define WIRE_VERSION 2u

/* The file of the library. One mapping of it is shared, without any access, and one page long: where it begins in the file, in pages, is
 * the number of the signal. /proc/PID/maps shows it, as "7f3a51c2f000-7f3a51c30000 ---s 00040000 08:01 1234 /usr/lib/midden/libmidden.so"
 * for signal 64, to whoever may look at the process; the loader makes no shared ones. */
#define WIRE_LIBRARY "/libmidden.so"
#define WIRE_RENDEZVOUS "midden-ask-"

enum wire_event {
    WIRE_STARTED = 1,   /* a program image began (only under `midden run`); no descriptors; answered at once */
    WIRE_FINDING = 2,   /* finding number `index` was published: report it now */
    WIRE_END = 3,       /* the image is ending: everything; anchor.end says how */
    WIRE_EXEC = 4,      /* the process is about to exec; findings stay, no leak check; the descriptors are attached */
    WIRE_CHECK = 5,     /* a leak check was asked for by the program */
    WIRE_DUMP = 6,      /* a dump was asked for */
    WIRE_HIT = 7,       /* a hardware watchpoint was hit: `index` is the address of a struct wire_hit; answered by a wire_verdict */
    WIRE_SNAPSHOT = 8,  /* the answer of a process that was asked for its image; goes to the one who asked */
    WIRE_DESCRIBE = 9,  /* the program asks what is known about an address: `index` */
    WIRE_EVENTS         /* one more than the last */
};

/* WIRE_CHECK: what shall be shown, in `index`. Answered with figures. */
enum wire_check {
    WIRE_CHECK_FULL,        /* as at the end */
    WIRE_CHECK_SUMMARY,     /* figures alone */
    WIRE_CHECK_ADDED,       /* records with more bytes or blocks than at this image's last check */
    WIRE_CHECK_CHANGED,     /* with more or fewer */
    WIRE_CHECK_NEW,         /* that were not there */
    WIRE_CHECK_COUNT        /* nothing: the program wants the figures */
};

#define WIRE_PATH_BYTES 4096u

struct wire_request {
    uint32_t magic, version;
    uint32_t event;         /* enum wire_event */
    uint32_t image;         /* anchor.image */
    int32_t pid, tid, parent_pid; /* tid: WIRE_FROZEN: pid of the copy */
    uint32_t flags;         /* enum wire_flag */
    uint64_t anchor;        /* address of struct record_anchor */
    uint64_t index;         /* finding's index; else 0 */
    int32_t status;         /* WIRE_END: the exit status the program chose */
    uint32_t silent;        /* threads that did not stop in time: where they stand is not known */
    uint64_t pause_ns;      /* how long the program's threads stood still for this image; 0: not known, or they still do */
    uint64_t taken;         /* nanoseconds since the epoch */
    uint32_t sequence;      /* number of the snapshot in its process, from 1; 0: none was made */
    uint32_t cause;         /* enum wire_cause */
    char path[WIRE_PATH_BYTES]; /* WIRE_DUMP: the file, absolute; empty: as --dump-file says */
};

enum wire_flag {
    WIRE_PARKED = 1,        /* every other thread is stopped for as long as the sender waits */
    WIRE_FROZEN = 2,        /* the descriptors are of a copy that keeps still */
    WIRE_NO_REPLY = 4       /* nobody waits for an answer: none is sent */
};

/* Why a snapshot was taken. */
enum wire_cause { WIRE_CAUSE_NONE, WIRE_CAUSE_API /* the program asked */, WIRE_CAUSE_ASKED /* somebody outside did */,
                  WIRE_CAUSE_PERIOD, WIRE_CAUSE_CRASH, WIRE_CAUSE_ERROR, WIRE_CAUSE_EXIT, WIRE_CAUSES };

/* What became of being asked for an image: `status` of a WIRE_SNAPSHOT. */
enum wire_answer {
    WIRE_GIVEN = 0,
    WIRE_BUSY = 1,          /* the thread that got the signal is inside the heap, or another snapshot is under way: ask again */
    WIRE_DENIED = 2,        /* the process may not be looked into (prctl(PR_SET_DUMPABLE)), and the one who asks is not root */
    WIRE_ENDING = 3         /* it is ending, and reports as it does */
};

/* To a frozen image, over its life. */
struct wire_range {
    uint64_t address, bytes;
};
#define WIRE_RANGE_MOST 65536u  /* bytes given out at once */

struct wire_reply {
    uint32_t magic, version;
    uint32_t status;        /* 0 done, 1 failed (the agent has said why) */
    uint32_t gating;        /* 1: something gating was found in this process image so far */
    int32_t exitcode;       /* the exit status the library should end the process with; -1: the program's own.
                               Always -1 under `midden run`, where the command itself gives the status */
    uint32_t leaks;         /* WIRE_CHECK: records that gate */
    uint32_t image;         /* WIRE_STARTED: the number of this program image among those of its pid, from 1, as the agent counts
                               them (the library cannot: exec keeps the pid and nothing else); 0: not known */
    int32_t end_status;     /* WIRE_CHECK: exit status that these leaks would give the program; 0: they are no reason for one */
    uint64_t leak_bytes[5], leak_blocks[5]; /* WIRE_CHECK: definite, indirect, possible, reachable, suppressed (ignored included) */
};

/* A hardware watchpoint beside a block was hit: what is needed to tell whether the program made a mistake. Lies in the memory
 * of the process for as long as it waits.
 *
 *      low                 block              block + block_size             high
 *       │  no other block  │ the program's bytes │        no other block     │
 *                    [watch)                     [watch)                       one of such places */
struct wire_hit {
    uint64_t pc;                /* where the thread stands: x86-64 traps after the instruction */
    uint64_t function, function_end; /* extent of the function around pc, from the unwind tables; 0: not known */
    uint64_t watch;             /* the bytes watched */
    uint32_t watch_bytes;       /* 1, 2, 4 or 8 */
    uint32_t changed;           /* 1: they are not what the guard zone was filled with */
    uint64_t block, block_size; /* the block they guard */
    uint64_t low, high;         /* the stretch around it in which no other block lies, half-open */
    uint32_t library;           /* 1: pc is in libc or the loader */
    uint32_t n_registers;
    uint64_t registers[RECORD_REGISTERS]; /* at pc; x86-64: as in gregset_t */
};

struct wire_verdict {
    struct wire_reply reply;
    uint32_t access;            /* enum record_access: READ or WRITE, the finding's; UNKNOWN: no finding */
    uint32_t exact;             /* 1: address and bytes are what was touched; 0: address is the nearest that it can have been */
    uint64_t address;           /* the first byte touched outside the block */
    uint64_t bytes;             /* touched outside, from there on */
    uint64_t pc;                /* of the instruction, where the stack can be taken from there; else the pc of the hit */
};

#endif
