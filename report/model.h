/* The analysed and symbolised report, before it takes any outer form. Renderers only read it. */
#ifndef MIDDEN_REPORT_MODEL_H
#define MIDDEN_REPORT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frames.h"
#include "image.h"
#include "leaks.h"
#include "records.h"
#include "symbols.h"

struct model_thread {
    uint32_t id;                /* index in the records; 1 is the main thread */
    int tid;
    const char *name;           /* not escaped */
    const char *state;          /* "running", "parked", "ended", "gone" */
    struct stack created;       /* where; empty for the main thread */
    uint32_t creator;           /* 0: none */
};

struct model_block {
    uint64_t address, size;
    const char *state;          /* "live", "quarantined", "freed" */
    const char *allocator;
    const char *name;           /* that the program gave it, not escaped; "" if none */
    const char *pool;           /* the pool it is an object of: its name, or its anchor; "" if none */
    bool ignored;               /* meant to stay, by the program's word */
    uint64_t site;
    struct stack alloc_stack;
    const struct model_thread *alloc_thread;    /* NULL: unknown */
    bool freed;
    struct stack free_stack;
    const struct model_thread *free_thread;
};

/* A rule of --suppressions, as reports name it. */
struct model_rule {
    const char *name;           /* as its file gives it */
    const char *file;
    unsigned line;
    uint64_t max_bytes, max_blocks; /* it suppresses no more than this in an image; UINT64_MAX: any amount */
    uint64_t findings, bytes, blocks;   /* suppressed by it in all images so far: errors and leak records; the latters' sums */
};

struct model_error {
    size_t index;               /* in the records */
    enum record_kind kind;
    enum record_severity severity;
    enum record_access access;
    enum record_detected detected;
    const char *kind_name, *severity_name, *access_name, *detected_name;
    const char *message;        /* what happened, one sentence */
    const char *call_name;      /* the call that made it, where one did: "free", "memcpy"; NULL */
    uint64_t address;
    int64_t offset;
    uint64_t size, call_size;   /* RECORD_UNKNOWN: not known, none */
    uint32_t count;
    struct stack stack;
    const struct model_thread *thread;  /* NULL: unknown */
    struct model_block *block;          /* NULL: none */
    uint64_t fingerprint;
    bool baseline;              /* known before: does not gate */
    const char *growth;         /* known before, but not as much: what has grown; NULL: not so */
    bool suppressed;            /* counted, not listed */
    const struct model_rule *rule;      /* by which; NULL: none */
    struct record_finding raw;  /* for the picture of the damage */
};

struct model_leak {
    struct leak_record raw;
    struct stack stack;
    uint64_t site;
    uint64_t fingerprint;
    const char *name;           /* that the program gave the block raw.example; "" if none */
    bool listed;                /* --show-leak-kinds wants to see it */
    bool gates;                 /* its kind is one of --fail-on */
    bool baseline, suppressed;  /* known before; not to be reported: neither gates */
    const char *growth;         /* known before, but not as much: what has grown; NULL: not so */
    const struct model_rule *rule;  /* by which it is suppressed; NULL: none */
    bool moved;                 /* suppressed, and taken out of the totals */
    bool excuses;               /* suppressed, and with it the indirect_bytes that only it leads to */
};

/* A place on a stack, or a register, that holds what nothing else does. */
struct model_slot {
    struct leak_slot raw;
    const struct model_thread *thread;  /* NULL: unknown */
    const struct frame *frame;          /* whose slot it is, its line where that call stands; registers: the innermost one. NULL: unknown */
    uint64_t site;                      /* of the block that it points to */
};

enum model_exit { MODEL_EXIT_NONE, MODEL_EXIT_CODE, MODEL_EXIT_SIGNAL };

/* What an options row means to the analysis; bits of a set as option_value() gives them. */
struct model_options {
    unsigned leak_check;        /* 0 full, 1 summary, 2 no: the choices of --leak-check */
    uint64_t show_leak_kinds;   /* bits: 0 definite, 1 indirect, 2 possible, 3 reachable */
    uint64_t fail_on;           /* bits: 0 errors, 1 definite, 2 indirect, 3 possible, 4 reachable */
    uint64_t max_leaked;        /* leaks gate only when those that count are more bytes than this; 0: always */
    int error_exitcode;
    bool gen_suppressions;      /* reports carry a rule with each finding and leak record that suppresses it */
    size_t max_listed;          /* leak records listed at most; 0: all */
    const char *no_leaks_why;   /* with leak_check 2: why, where there is more to say than that it was not asked for; NULL */
    bool live;                  /* an image in mid-life, not at its end */
    /* true: definitely lost blocks with this stack are suppressed, and what only they lead to is excused. NULL: none is. */
    bool (*excuse)(void *ctx, const struct stack *stack);
    void *excuse_ctx;
    void (*progress)(void *ctx, uint64_t done, uint64_t all);   /* NULL: none */
    void *ctx;
};

/* What the last report of a run says of all its processes. */
struct model_process {
    int pid;
    const char *command;
    size_t errors;              /* that gate */
    struct leak_total leaked;   /* definite and possible */
    bool gating, running;
};

struct baseline;
struct model_run {
    size_t n_seen, n_images;    /* processes and program images, all of them */
    struct model_process *processes;    /* that had something to say, or still run */
    size_t n;
    const struct model_rule **used, **unused;   /* rules of --suppressions */
    size_t n_used, n_unused;
    const struct baseline *baseline;    /* NULL: none */
};

struct model {
    struct arena arena;
    struct records *records;        /* not owned */
    struct model_options options;

    /* process */
    int pid, parent_pid;
    unsigned image, generation;
    const char **argv;
    size_t argc;
    enum model_exit exit;           /* taken from the anchor; whoever knows better (a parent that waited) sets it */
    int exit_value;
    struct stack exit_stack;

    struct image_snapshot snapshot; /* how the image was taken, and how long the program stood still for it */
    uint64_t taken;                 /* when, nanoseconds since the epoch; 0: not known */

    /* verdict: see model_judge() */
    bool gating;
    int exitcode;

    struct model_error *errors;     /* in the order they happened; in the arena */
    size_t n_errors;
    size_t n_suppressed_errors;
    struct model_block *about;      /* model_new_about: the block there; NULL: none, or not asked for */
    uint64_t about_address;
    struct leaks *leaks;            /* owned; NULL: no check was made */
    const char *no_leaks_why;       /* if so: why; NULL: it was not asked for */
    struct model_leak *leak_records;/* those that are listed or may gate, largest first */
    size_t n_leak_records;
    struct leak_total suppressed_leaks;
    struct model_slot *slots;       /* in the arena; the largest, if reachable blocks are listed; leaks->stack_only has the sums */
    size_t n_slots;

    struct model_thread *threads;
    size_t n_threads;

    const char **coverage;          /* what the figures do not cover, a line each */
    size_t n_coverage;

    struct model_run *run;          /* in the last report of a run; else NULL */

    /* Since the image began, of all threads. */
    uint64_t allocations, frees, allocated_bytes, freed_bytes, live_bytes, live_blocks, peak_bytes, held_briefly;
};

/* Analyses everything: findings, the leak check as asked for, statistics. Never NULL. The records and symbols must outlive it. */
struct model *model_new(struct records *records, struct symbols *symbols, const struct model_options *options);

/* true: both are accesses outside the same block, or after its end, of one line of the program, reached by the same calls: of a loop, say, that
 * the compiler unrolled into several instructions, which the library tells apart and a reader does not. Listed once. */
bool model_same_line(const struct model_error *a, const struct model_error *b);

/* Only finding `index` and what its text needs, to be rendered at once. NULL: no such finding. */
struct model *model_new_finding(struct records *records, struct symbols *symbols, size_t index, const struct model_options *options);

/* Only what is known about one address. Never NULL. */
struct model *model_new_about(struct records *records, struct symbols *symbols, uint64_t address, const struct model_options *options);

/* Sets gating and exitcode from errors, leaks and options; called by model_new, and again by who marks entries as suppressed or
 * known. */
void model_judge(struct model *model);

/* Makes what is known from a baseline suppressed, for forms of output that know of no baselines. */
void model_suppress_known(struct model *model);

/* The rules that suppressed something in this model, in the order they are met, and how much. *uses is owned by the caller. */
struct model_rule_use {
    const struct model_rule *rule;
    uint64_t findings, bytes, blocks;   /* bytes and blocks of leaks, with those that were excused with them */
};
size_t model_rules_used(const struct model *model, struct model_rule_use **uses);

/* Of one engine, as shares (0 to 1): of what it handed out, what nobody asked for; of what it holds free, what lies outside the
 * largest free stretch. */
double model_inner_fragmentation(const struct record_engine_stats *stats);
double model_outer_fragmentation(const struct record_engine_stats *stats);

void model_free(struct model *model);

/* How many errors (of severity error) and leak records gate: neither suppressed nor in the baseline, and for leaks of a kind that
 * --fail-on names. */
size_t model_gating_errors(const struct model *model);
size_t model_gating_leaks(const struct model *model);

/* Errors and leak records that would gate, but are known from a baseline. */
size_t model_known(const struct model *model);

/* Bytes of the leak records that count against --max-leaked: of a kind that --fail-on names, neither suppressed nor known. */
uint64_t model_counted_bytes(const struct model *model);

#endif
