/* The modules of the program, once per load, kept after dlclose (struct record_module). */
#ifndef MIDDEN_TRACE_MODULES_H
#define MIDDEN_TRACE_MODULES_H

#include <stdbool.h>
#include <stdint.h>

#include "format/record.h"

/* Does the module that `address` lies in define the dynamic symbol `name` itself? 1: yes; 0: no; -1: there is no telling. */
int modules_define(uintptr_t address, const char *name);

/* Prepares the table and finds the loader's extent. false: no memory; pcs then are in no module. */
bool modules_init(void);

/* Index of the module that `pc` lies in, 0: none. Asks the loader without its lock (_dl_find_object; dl_iterate_phdr where
 * that is missing) and adds a module seen for the first time. `pc` is of a frame of the calling thread, so that its module
 * cannot be unloaded meanwhile. */
unsigned modules_of(uintptr_t pc);

/* As modules_of but only among the modules already known: any context, no lock, no call to the loader. */
unsigned modules_known(uintptr_t pc);

/* Looks for modules that have gone and marks them; true if there were any. Called when modules_are_suspect(). Not in signal
 * handlers that may have interrupted it (capture sees to that). */
bool modules_refresh(void);

/* What every capture and every free asks. */
struct modules_quick {
    uint32_t epoch;                         /* atomic */
    uint32_t suspicion;                     /* atomic */
    uintptr_t loader_text, loader_text_end; /* fixed after start */
};
extern struct modules_quick modules_quick __attribute__((visibility("hidden")));

/* A dlclose may have happened (cheap; any context). */
void modules_suspect(void);
static inline bool modules_are_suspect(void) { return __atomic_load_n(&modules_quick.suspicion, __ATOMIC_RELAXED) != 0; }

/* Changes whenever a module was found gone: what was derived from a pc earlier is void. Starts at 1; any context. */
static inline uint32_t modules_epoch(void) { return __atomic_load_n(&modules_quick.epoch, __ATOMIC_ACQUIRE); }

/* The epoch, and above it whether a module may have gone since: what was derived while it was E, the epoch, is good as long as it is. Never 0. */
static inline uint64_t modules_now(void)
{
    typedef uint64_t __attribute__((may_alias)) both;
    return __atomic_load_n((const both *)(const void *)&modules_quick, __ATOMIC_ACQUIRE);
}

/* true: `pc` is in the dynamic loader's text. */
static inline bool modules_is_loader(uintptr_t pc)
{
    return pc - modules_quick.loader_text < modules_quick.loader_text_end - modules_quick.loader_text;
}

/* Entry `index`, NULL if there is none. */
struct record_module *modules_at(unsigned index);

/* Where a module's unwind tables lie: the binary search table, and the segment that it and .eh_frame are in, half-open. */
struct module_tables {
    uintptr_t eh_frame_hdr;
    uintptr_t start, end;
};

/* false: module `index` has none that could be read. */
bool modules_tables(unsigned index, struct module_tables *tables);

/* The module's identity for site_add(). */
uint64_t modules_identity(unsigned index);

void modules_fork_child(void);

#endif
