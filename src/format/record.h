/* The record layout: what libmidden keeps about a program's heap, as everything outside reads it.
 *
 * This is the one definition; the library that writes the records and the command that reads them, from a live process,
 * a frozen copy or a core file, both compile it. All integers are in the byte order of the machine that wrote them
 * (little-endian on both supported architectures); all addresses are those of the process that wrote them.
 *
 *    anchor ─▶ table of regions  ─▶ per region an array of block records
 *           ─▶ table of stack nodes (a tree: a node's parent is its caller)
 *           ─▶ table of threads, modules, findings, own mappings, extra roots
 *           ─▶ table of strings
 *           ─▶ tables of what the program told about its memory: names of blocks, pools and the objects in them
 *
 * A reader finds the anchor by its magic: it lies, 64-byte aligned, in a writable mapping of the module libmidden.so.
 *
 * Law of publication: an entry of a table exists once its index is below the table's `count`, which is stored last, with
 * release order. Fields that change later say so; each is a single aligned word. A word `head` or `state` that says BUSY
 * marks an entry that was being changed when the image was taken. */
#ifndef MIDDEN_FORMAT_RECORD_H
#define MIDDEN_FORMAT_RECORD_H

#include <stdint.h>

#define RECORD_MAGIC "\x89MIDDEN\r\n\x1a\nheap"     /* 16 bytes, the terminating NUL is the sixteenth */
#define RECORD_VERSION 2u
#define RECORD_VERSION_OLDEST 1u    /* that a reader of this version understands: it had no lean records */

/* ---- tables -------------------------------------------------------------------------------------------------------- */

/* A table grows by chunks and never moves: entry i is at chunks[i >> chunk_shift] + (i & mask) * entry_size.
 *
 *    table ─ chunks ─▶ [ address of chunk 0 | address of chunk 1 | … ]   (max_chunks words, 0: not there yet)
 *                              │
 *                              ▼
 *                       [ entry | entry | … ]   (1 << chunk_shift entries of entry_size bytes)
 *
 * Entry 0 of every table but RECORD_TABLE_STRINGS is never used, so that an index of 0 can mean "none". */
struct record_table {
    uint32_t entry_size;   /* bytes of an entry */
    uint32_t chunk_shift;  /* log2 of the entries in a chunk */
    uint32_t max_chunks;   /* words in the array at `chunks` */
    uint32_t pad;
    uint64_t chunks;       /* address of the array of chunk addresses; 0: an empty table */
    uint64_t count;        /* published entries, entry 0 included; atomic */
};

enum record_table_id {
    RECORD_TABLE_REGIONS,   /* struct record_region */
    RECORD_TABLE_STACKS,    /* struct record_node */
    RECORD_TABLE_THREADS,   /* struct record_thread */
    RECORD_TABLE_MODULES,   /* struct record_module */
    RECORD_TABLE_FINDINGS,  /* struct record_finding */
    RECORD_TABLE_MAPPINGS,  /* struct record_mapping */
    RECORD_TABLE_STRINGS,   /* bytes; a reference is the index of the first, strings end with NUL and lie within one chunk */
    RECORD_TABLE_ROOTS,     /* struct record_root */
    RECORD_TABLE_LABELS,    /* struct record_label */
    RECORD_TABLE_POOLS,     /* struct record_pool */
    RECORD_TABLE_OBJECTS,   /* struct record_object */
    RECORD_TABLES
};

/* ---- the anchor ------------------------------------------------------------------------------------------------------ */

enum record_phase { RECORD_STARTING = 0, RECORD_RUNNING = 1, RECORD_EXITING = 2 };

/* Why a program image came to its end; what an exit report is about. */
enum record_end {
    RECORD_END_NONE = 0,
    RECORD_END_RETURN = 1,      /* main returned: its frame is no root */
    RECORD_END_EXIT = 2,        /* exit() */
    RECORD_END_IMMEDIATE = 3,   /* _exit, _Exit, quick_exit, syscall(SYS_exit_group) */
    RECORD_END_EXEC = 4,
    RECORD_END_SIGNAL = 5
};

struct record_anchor {
    uint8_t magic[16];
    uint32_t version;           /* RECORD_VERSION */
    uint32_t anchor_size;       /* bytes of this struct */
    uint32_t tables_offset;     /* bytes from the anchor to tables[] */
    uint32_t n_tables;
    uint32_t page_size;         /* of the kernel, bytes */
    uint32_t phase;             /* enum record_phase; atomic */
    int32_t pid;
    int32_t parent_pid;         /* of the process this one was forked from; 0: none that we know */
    uint32_t image;             /* 1 for the first program image of this pid that we saw, +1 for each exec */
    uint32_t generation;        /* +1 in each fork child, counted from the first process of the tree */
    uint32_t end;               /* enum record_end */
    int32_t end_status;         /* exit status where `end` has one; the signal's number with RECORD_END_SIGNAL */
    uint32_t end_thread;        /* index of the thread that ended the program */
    uint32_t profile;           /* index of the profile: 0 full, 1 leaks, 2 paranoid, 3 production */
    uint32_t front_guard;       /* bytes of guard zone in front of every block (0 or 16) */
    uint32_t rear_guard;        /* smallest number of bytes of guard zone behind a block */
    uint32_t num_callers;       /* frames of a stack that count: who reads one stops there, whether there are more or not */
    uint32_t fill_alloc;        /* byte a new block is filled with; above 255: not filled */
    uint32_t fill_free;         /* byte a freed block is filled with; above 255: not filled */
    uint32_t fork_sequence;     /* blocks with a sequence number up to this one were inherited at fork; 0: none */
    uint64_t start_time;        /* seconds since the epoch */

    /* Totals; atomic. The counters of living threads (struct record_thread) come on top. */
    uint64_t allocations, frees;            /* calls */
    uint64_t allocated_bytes, freed_bytes;  /* sizes asked for */
    uint64_t live_bytes, live_blocks;       /* see record_totals in trace/blocks.h: within a thread's batch of exact */
    uint64_t peak_bytes;                    /* largest live_bytes seen */
    uint64_t unrecorded_blocks;             /* allocations that got no record: out of memory for records */
    uint64_t unrecorded_bytes;
    uint64_t lost_stacks;                   /* captures that got no stack id */
    uint64_t lost_findings;                 /* findings that got no entry */
    uint64_t quarantine_bytes, quarantine_blocks;   /* bytes: of memory held, slots with their guards and records */
    uint64_t quarantine_limit;              /* bytes */
    uint64_t own_bytes;                     /* bytes the tool mapped for itself (records, depot, tables) */

    uint64_t entry_points;      /* address of an array of RECORD_ALLOCATORS addresses: where each allocation call is entered */
    uint64_t engines;           /* address of an array of RECORD_ENGINES struct record_engine_stats; refreshed before a report */
    uint64_t own_start, own_end; /* the extent of libmidden.so itself */
    uint64_t cmdline;           /* string reference to argv, NUL separated, */
    uint64_t cmdline_bytes;     /* and its length */
    uint64_t options;           /* string reference: the options as understood, joined by ':' */
    uint64_t coverage;          /* bits, enum record_coverage */
    uint32_t watch_error;       /* with RECORD_COVER_WATCH_REFUSED: the errno; 0: this kernel or processor is not one for it */
    uint32_t watch_registers;   /* hardware watchpoints that were opened */
    uint64_t watch_settings;    /* times one of them was moved */
    uint64_t watch_hits;        /* hits of them that were judged; atomic */
    uint64_t snapshots;         /* taken of this process */
    uint64_t longest_pause;     /* of its threads for one of them, nanoseconds */
    uint64_t siginfo;           /* address of the siginfo_t (128 bytes) of the signal that the program is dying of; 0: none */
    uint64_t program_options;               /* string reference: what __lsan_default_options and LSAN_OPTIONS say; 0: nothing */
    uint64_t program_suppressions;          /* string reference: what __lsan_default_suppressions says; 0: nothing */
    uint32_t program_wants;                 /* bits, enum record_wish; atomic */
    uint32_t pad;
    uint64_t held_briefly;                  /* freed blocks that were held back only briefly; atomic, as the totals above */
    uint64_t reserved[9];

    struct record_table tables[RECORD_TABLES];
};

/* What the program itself said about leak checks. */
enum record_wish {
    RECORD_WISH_CHECKED = 1 << 0,   /* it made its final check already (__lsan_do_leak_check): none at the end */
    RECORD_WISH_OFF = 1 << 1        /* __lsan_is_turned_off says so: none at the end */
};

/* What the figures do not cover; each bit becomes a line of the coverage section. */
enum record_coverage {
    RECORD_COVER_NO_UNWINDER = 1 << 0,       /* libunwind could not be opened: some stacks end early */
    RECORD_COVER_UNPARKED = 1 << 1,          /* a thread did not answer the park signal in time */
    RECORD_COVER_LIBC_KEPT = 1 << 2,         /* libc's own blocks were not released before the check (other threads ran, or had at a fork) */
    RECORD_COVER_STATIC_ALLOCATOR = 1 << 3,  /* a module brings an allocator of its own */
    /* Blocks between page guards had one side unguarded, because hardware watchpoints … */
    RECORD_COVER_WATCH_REFUSED = 1 << 4,     /* were not to be had; see watch_error */
    RECORD_COVER_WATCH_OFF = 1 << 5,         /* were not wanted (--watchpoints=no) */
    RECORD_COVER_WATCH_DEBUGGED = 1 << 6,    /* stood aside for a debugger */
    RECORD_COVER_WATCH_LOST = 1 << 7         /* were lost: the program closed their descriptors or entered a sandbox */
};

/* ---- blocks ---------------------------------------------------------------------------------------------------------- */

enum record_family { RECORD_FAMILY_NONE, RECORD_FAMILY_MALLOC, RECORD_FAMILY_NEW, RECORD_FAMILY_NEW_ARRAY };

enum record_allocator {
#define A(id, name, family, duty) RECORD_BY_##id,
#include "format/allocators.def"
#undef A
    RECORD_ALLOCATORS
};

enum record_block_state {
    RECORD_BLOCK_EMPTY = 0,        /* the slot has held no block yet, or its history was dropped */
    RECORD_BLOCK_BUSY = 1,         /* being changed */
    RECORD_BLOCK_LIVE = 2,
    RECORD_BLOCK_QUARANTINED = 3,  /* freed; the memory is held back */
    RECORD_BLOCK_FREE = 4          /* freed and given back to the heap: history until the slot is used again */
};

enum record_block_flag {
    RECORD_FLAG_OWN = 1,        /* allocated by libc or the loader on the tool's behalf: scanned as a root, never listed or counted */
    RECORD_FLAG_IGNORED = 2,    /* the program asked for it not to be reported */
    RECORD_FLAG_DAMAGED = 4,    /* its guards were found damaged and reported */
                                /* 8 is RECORD_HEAD_LEAN's bit */
    RECORD_FLAG_PAGE_GUARD = 16,/* stands against an inaccessible page */
    RECORD_FLAG_SAMPLED = 32,   /* one of a sample: its stack stands for others */
    RECORD_FLAG_INACCESSIBLE = 64 /* quarantined, and its pages cannot be touched */
};

/* One block. The head word is changed last and alone, so that a block is seen either as it was or as it is:
 *
 *     63           48 47           32 31           16 15      9 8       3 2   0
 *    ┌───────────────────────────────────────────────┬─────────┬─────────┬─────┐
 *    │                 size asked for                │  flags  │allocator│state│  head
 *    ├───────────────┬───────────────┬───────────────┼─────────┼─────────┼─────┤
 *    │  free_thread  │ alloc_thread  │ size asked for│  flags  │allocator│state│  head of a lean record: RECORD_HEAD_LEAN is set
 *    └───────────────┴───────────────┴───────────────┴─────────┴─────────┴─────┘
 *
 * Its address is not stored: slot i of a uniform region starts at base + i * stride, the block at user_offset past that.
 * In a region of stride 0 the records are struct record_placed and carry it. */
struct record_block {
    uint64_t head;
    uint32_t alloc_stack;   /* index into RECORD_TABLE_STACKS; 0: none */
    uint32_t free_stack;    /* the same; valid from QUARANTINED on. Freed by another call than the plain one of its family (free,
                               operator delete, operator delete[]): the innermost frame is at that call's entry (entry_points) */
    uint32_t sequence;      /* number of the allocation, low 32 bits; threads take numbers in batches */
    uint16_t alloc_thread;  /* index into RECORD_TABLE_THREADS; 65535: not kept */
    uint16_t free_thread;
};

struct record_placed {
    uint64_t address;       /* of the block as the program knows it */
    struct record_block block;
};

/* The same of a block that is freed without a stack, in a uniform region that says so (record_bytes). It is told as a struct record_block
 * (record_told), and nothing behind that need know of it. */
struct record_lean {
    uint64_t head;
    uint32_t alloc_stack;
    uint32_t sequence;
};

#define RECORD_STATE_MASK 7u
#define RECORD_ALLOCATOR_SHIFT 3
#define RECORD_ALLOCATOR_MASK 63u
#define RECORD_FLAGS_SHIFT 9
#define RECORD_FLAGS_MASK 119u
#define RECORD_HEAD_LEAN (8u << RECORD_FLAGS_SHIFT)
#define RECORD_SIZE_SHIFT 16
#define RECORD_LEAN_SIZE_MASK 0xffffu       /* the largest size that a lean record can tell */
#define RECORD_LEAN_ALLOC_THREAD_SHIFT 32
#define RECORD_LEAN_FREE_THREAD_SHIFT 48

static inline uint64_t record_head(uint64_t size, unsigned allocator, unsigned flags, unsigned state)
{
    return size << RECORD_SIZE_SHIFT | (uint64_t)flags << RECORD_FLAGS_SHIFT
         | (uint64_t)allocator << RECORD_ALLOCATOR_SHIFT | state;
}
static inline uint64_t record_head_lean(uint64_t size, unsigned thread, unsigned allocator, unsigned flags, unsigned state)
{
    return record_head(size, allocator, flags, state) | RECORD_HEAD_LEAN | (uint64_t)thread << RECORD_LEAN_ALLOC_THREAD_SHIFT;
}
static inline int record_head_is_lean(uint64_t head) { return (head & RECORD_HEAD_LEAN) != 0; }
static inline uint64_t record_head_long_size(uint64_t head) { return head >> RECORD_SIZE_SHIFT; }   /* of one that is known not to be lean */
static inline uint64_t record_head_lean_size(uint64_t head) { return head >> RECORD_SIZE_SHIFT & RECORD_LEAN_SIZE_MASK; }
static inline uint64_t record_head_size(uint64_t head) { return record_head_is_lean(head) ? record_head_lean_size(head) : record_head_long_size(head); }
static inline unsigned record_head_state(uint64_t head) { return (unsigned)head & RECORD_STATE_MASK; }
static inline unsigned record_head_allocator(uint64_t head) { return (unsigned)(head >> RECORD_ALLOCATOR_SHIFT) & RECORD_ALLOCATOR_MASK; }
static inline unsigned record_head_flags(uint64_t head) { return (unsigned)(head >> RECORD_FLAGS_SHIFT) & RECORD_FLAGS_MASK; }

/* A head as one that is not lean. */
static inline uint64_t record_head_told(uint64_t head)
{
    uint64_t rest = head & ((1u << RECORD_SIZE_SHIFT) - 1) & ~(uint64_t)RECORD_HEAD_LEAN;
    return record_head_size(head) << RECORD_SIZE_SHIFT | rest;
}

/* Of a record in the process itself, in either form. */
static inline uint32_t record_sequence(const struct record_block *record)
{
    const void *bytes = record;
    return record_head_is_lean(record->head) ? ((const struct record_lean *)bytes)->sequence : record->sequence;
}

/* The record of a uniform region whose records take `bytes` each, in the form that tells all. */
static inline struct record_block record_told(const void *record, uint64_t bytes)
{
    struct record_block told = {0};
    if (bytes == sizeof(struct record_lean)) {
        const struct record_lean *lean = (const struct record_lean *)record;
        uint64_t head = lean->head | RECORD_HEAD_LEAN;  /* of a slot that was never used: 0 */
        told.head = record_head_told(head);
        told.alloc_stack = lean->alloc_stack;
        told.sequence = lean->sequence;
        told.alloc_thread = (uint16_t)(head >> RECORD_LEAN_ALLOC_THREAD_SHIFT);
        told.free_thread = (uint16_t)(head >> RECORD_LEAN_FREE_THREAD_SHIFT);
    } else {
        told = *(const struct record_block *)record;
        told.head &= ~(uint64_t)RECORD_HEAD_LEAN;
    }
    return told;
}

enum record_engine { RECORD_ENGINE_NONE, RECORD_ENGINE_SLAB, RECORD_ENGINE_FREELIST, RECORD_ENGINE_BUDDY, RECORD_ENGINE_HUGE, RECORD_ENGINE_GUARDED, RECORD_ENGINES };

enum record_region_state { RECORD_REGION_CLOSED = 0, RECORD_REGION_OPEN = 1 };

/* A stretch of memory that holds blocks. A closed region's entry is used again for another one: readers look at `state`
 * (atomic) and skip what is not OPEN. */
struct record_region {
    uint64_t base;         /* start of slot 0 */
    uint64_t bytes;        /* extent from base */
    uint64_t records;      /* address of the records, record_bytes each: struct record_block[slots] or struct record_lean[slots], or
                              struct record_placed[slots] if stride is 0 */
    uint32_t stride;       /* bytes from slot to slot; 0: placed records */
    uint32_t slots;        /* records in the array; grows, atomic */
    uint32_t user_offset;  /* bytes from the start of a slot to the block */
    uint16_t engine;       /* enum record_engine */
    uint16_t state;        /* enum record_region_state */
    uint32_t record_bytes; /* from record to record; version 1 has 0 here, and no lean ones */
    uint32_t pad;
    uint64_t reserved[2];
};

/* Fragmentation and use of one engine, refreshed before a report. Bytes unless said otherwise. */
struct record_engine_stats {
    uint64_t mapped;            /* address space held by the engine */
    uint64_t requested;         /* asked for by callers of the engine, living blocks (guards included) */
    uint64_t occupied;          /* handed out for that, rounding included: internal fragmentation = occupied - requested */
    uint64_t free_bytes;        /* held, not handed out: external fragmentation = 1 - largest_free / free_bytes */
    uint64_t largest_free;      /* the largest single free stretch */
    uint64_t blocks;            /* living blocks */
};

/* ---- stacks ---------------------------------------------------------------------------------------------------------- */

enum record_node_flag {
    RECORD_NODE_EXACT_PC = 1,   /* the pc is of an instruction that was interrupted (fault, signal frame), no return address */
    RECORD_NODE_TRUNCATED = 2   /* outermost node of a stack that had more frames, or that could not be unwound further */
};

/* A call stack is the path from its innermost frame's node up through the parents; parent 0 ends it. */
struct record_node {
    uint64_t place;     /* bits 0..47 the pc, bits 48..63 the index of its module (0: in no module we knew) */
    uint32_t parent;    /* the caller's node */
    uint16_t depth;     /* frames from here to the outermost, this one included */
    uint16_t flags;     /* enum record_node_flag */
};
#define RECORD_PC_BITS 48
static inline uint64_t record_node_pc(uint64_t place) { return place & ((1ull << RECORD_PC_BITS) - 1); }
static inline unsigned record_node_module(uint64_t place) { return (unsigned)(place >> RECORD_PC_BITS); }

/* ---- modules ---------------------------------------------------------------------------------------------------------- */

enum record_module_flag { RECORD_MODULE_MAIN = 1, RECORD_MODULE_LOADER = 2, RECORD_MODULE_SELF = 4, RECORD_MODULE_VDSO = 8, RECORD_MODULE_LIBC = 16,
                          RECORD_MODULE_OPERATORS = 32 /* defines operator new or delete of its own */ };

/* A module that was loaded: entries stay after dlclose. The same file (by build id) loaded again at the same address has the same entry;
 * another file there has another. */
struct record_module {
    uint64_t bias;              /* what to add to an address in the ELF file to get one in the process */
    uint64_t start, end;        /* extent of its mappings, half-open */
    uint64_t eh_frame_hdr;      /* address of its PT_GNU_EH_FRAME; 0: none */
    uint64_t path;              /* string reference; 0: unknown */
    uint64_t loaded;            /* epoch at which it was first seen */
    uint64_t unloaded;          /* epoch at which it was found gone; 0: still there; atomic */
    uint64_t link_map;          /* the loader's handle, to tell a new load at the same address */
    uint32_t flags;             /* enum record_module_flag */
    uint32_t build_id_bytes;    /* 0: has none */
    uint8_t build_id[32];
};

/* ---- threads ---------------------------------------------------------------------------------------------------------- */

enum record_thread_state { RECORD_THREAD_NONE = 0, RECORD_THREAD_RUNNING = 1, RECORD_THREAD_PARKED = 2, RECORD_THREAD_ENDED = 3,
                           RECORD_THREAD_GONE = 4 /* did not survive a fork */ };

#define RECORD_REGISTERS 34

struct record_thread {
    int32_t tid;                /* the kernel's */
    uint32_t state;             /* enum record_thread_state; atomic */
    char name[16];              /* NUL terminated */
    uint32_t create_stack;      /* where pthread_create was called; 0 for the main thread */
    uint32_t creator;           /* index of the thread that called it */
    uint64_t start_sp;          /* a stack address near the outermost frame: names the mapping that is its stack */
    uint64_t thread_pointer;    /* its TCB: static TLS lies around it */
    uint64_t stack_low;         /* where the scan of its stack starts, set when parked or ending; 0: unknown, all of the mapping counts */
    uint64_t context_low, context_high; /* further saved state (a signal frame on another stack); equal: none */
    uint64_t registers[RECORD_REGISTERS]; /* general registers at that point; the order does not matter to a leak check.
                                             x86-64: as in gregset_t; aarch64: x0..x30, sp, pc */
    uint32_t n_registers;       /* valid entries */
    uint32_t main_returned;     /* 1: main's frame is dead, stack_low lies above it */
    uint64_t allocations, frees, allocated_bytes, freed_bytes; /* of this thread since it was last folded into the anchor; atomic */
    uint64_t stack_start, stack_end; /* of the stack that the program supplied, half-open; equal: libc's own */
    uint64_t held_briefly;      /* see the anchor's; of this thread since it was last folded; atomic */
    uint64_t reserved[1];
};

/* ---- findings --------------------------------------------------------------------------------------------------------- */

enum record_kind {
    RECORD_KIND_NONE,
#define K(id, name, severity, text) RECORD_KIND_##id,
#include "format/kinds.def"
#undef K
    RECORD_KINDS
};
enum record_severity { RECORD_SEVERITY_NOTE, RECORD_SEVERITY_WARNING, RECORD_SEVERITY_ERROR };
enum record_access { RECORD_ACCESS_UNKNOWN, RECORD_ACCESS_READ, RECORD_ACCESS_WRITE, RECORD_ACCESS_FREE, RECORD_ACCESS_CALL };
enum record_detected { RECORD_AT_ACCESS, RECORD_AT_CALL, RECORD_AT_FREE, RECORD_AT_EVICTION, RECORD_AT_SWEEP, RECORD_AT_EXIT };

#define RECORD_DAMAGE_BYTES 64

struct record_finding {
    uint32_t state;             /* 0 empty, 1 being written, 2 published; atomic */
    uint16_t kind;              /* enum record_kind */
    uint8_t severity;           /* enum record_severity */
    uint8_t access;             /* enum record_access */
    uint8_t detected;           /* enum record_detected */
    uint8_t call;               /* enum record_allocator: the call that took the address, for access `free` or bad sizes */
    uint16_t thread;            /* index of the thread that erred or, for damage found later, that found it */
    uint32_t count;             /* times it happened; atomic */
    uint32_t stack;             /* where: innermost frame first; frame 0 is `call` if that is set */
    uint64_t address;           /* first byte touched outside, or the address handed to free */
    int64_t offset;             /* of that byte, from the first byte of the block */
    uint64_t size;              /* bytes outside; RECORD_UNKNOWN: not known */
    uint64_t call_size;         /* whole range of a checked call, or the size given to a sized delete; RECORD_UNKNOWN: none */
    uint64_t block_address;     /* 0: no block known */
    struct record_block block;  /* its record when it happened */
    uint64_t damage_address;    /* where damage[] was read */
    uint32_t damage_bytes;      /* 0: none */
    uint8_t expected;           /* what every one of those bytes should have been, unless expected_word is set */
    uint8_t detail;             /* enum record_detail */
    uint16_t signal;            /* number of the signal the program died of, for invalid-access; 0: none */
    uint64_t expected_word;     /* magic word that stood at damage_address; 0: none */
    uint8_t damage[RECORD_DAMAGE_BYTES];
    uint64_t call_name;         /* string reference: the checked call, as `memcpy`; 0: none */
    uint64_t time;              /* nanoseconds of CLOCK_MONOTONIC */
    uint64_t reserved[4];
};
#define RECORD_UNKNOWN UINT64_MAX

/* What an invalid-free's address was, or which part of a mismatch did not fit. */
enum record_detail { RECORD_DETAIL_NONE, RECORD_DETAIL_STACK, RECORD_DETAIL_GLOBAL, RECORD_DETAIL_MAPPED, RECORD_DETAIL_UNMAPPED,
                     RECORD_DETAIL_GUARD, RECORD_DETAIL_OWN, RECORD_DETAIL_SIZE, RECORD_DETAIL_ALIGNMENT, RECORD_DETAIL_NEVER_ALLOCATED,
                     RECORD_DETAIL_NULL /* within the first page */ };

/* ---- own memory and extra roots ---------------------------------------------------------------------------------------- */

enum record_purpose { RECORD_PURPOSE_NONE, RECORD_PURPOSE_HEAP /* holds blocks */, RECORD_PURPOSE_RECORDS, RECORD_PURPOSE_STACK /* of the tool's handlers */, RECORD_PURPOSE_OTHER,
                      RECORD_PURPOSE_UNRECORDED /* holds blocks that have no records: a root, for what they point to */ };

/* Memory that the tool mapped; no part of it is a root, unless its purpose says so. */
struct record_mapping {
    uint64_t start, bytes;
    uint32_t purpose;           /* enum record_purpose; NONE: unmapped again; atomic */
    uint32_t reserved;
};

/* Memory that the program registered as a root. */
struct record_root {
    uint64_t start, bytes;
    uint32_t state;             /* 0: withdrawn; atomic */
    uint32_t reserved;
};

/* ---- what the program told about its memory ------------------------------------------------------------------------------ */

/* A name that the program gave a block or an object. It is of the block with this sequence number; another one at the address
 * has none. Entries are used again. */
struct record_label {
    uint64_t address;           /* of the block; 0: empty; atomic */
    uint64_t name;              /* string reference */
    uint32_t sequence;          /* of the block */
    uint32_t reserved;
};

enum record_pool_flag {
    RECORD_POOL_META = 1,       /* its objects are the superblocks of another allocator, whose blocks lie in them */
    RECORD_POOL_AUTO_FREE = 2,  /* blocks in an object of it go when the object does */
    RECORD_POOL_ZEROED = 4
};

/* A pool: objects that the program places itself, in memory of its own. */
struct record_pool {
    uint64_t anchor;            /* the address that the program knows it by; 0: it is gone; atomic */
    uint64_t name;              /* string reference; 0: none */
    uint32_t flags;             /* enum record_pool_flag */
    uint32_t redzone;           /* bytes that the program leaves between two objects */
    uint32_t stack;             /* where it was created */
    uint32_t objects;           /* living ones; atomic */
};

/* An object that the program placed itself. Its memory may lie in a block of the heap (which then is its superblock: no block of its
 * own to a leak check) or anywhere else; objects may not overlap, but for those of a RECORD_POOL_META pool. Entries of objects that
 * were freed are used again, the oldest first.
 *
 *    superblock, from malloc, mmap or static: │ the pool's own │ object │ free │ object │ … │
 *                                                              ▲ address, block.head: size and state */
struct record_object {
    uint64_t address;           /* 0: empty */
    struct record_block block;
    uint32_t pool;              /* index into RECORD_TABLE_POOLS; 0: in none (midden_block_alloc) */
    uint32_t next_free;         /* the library's own: list of entries that can be used again */
    uint32_t superblock;        /* sequence number of the heap's block that it lies in; 0: in none */
    uint32_t reserved;
};

_Static_assert(sizeof(struct record_block) == 24, "a block's record is 24 bytes: the overhead per block depends on it");
_Static_assert(sizeof(struct record_placed) == 32, "a placed record is 32 bytes");
_Static_assert(sizeof(struct record_lean) == 16, "a lean record is 16 bytes");
_Static_assert(sizeof(struct record_node) == 16, "a stack node is 16 bytes");
_Static_assert(sizeof(struct record_region) == 64, "a region is a cache line");
_Static_assert(RECORD_ALLOCATORS <= RECORD_ALLOCATOR_MASK + 1, "the allocator must fit its bits in the head word");

#endif
