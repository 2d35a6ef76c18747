/* The functions behind ours.
 *
 * Duty: find, once and early, every libc function that an interposer calls on.
 *
 * 1. The rows of symbols.def that say WRAP are looked up with dlsym(RTLD_NEXT), all at one time, from the library's
 *    constructor: a wrapper may later run where dlsym must not (in a signal handler, between vfork and exec, with the loader's
 *    lock held by another thread).
 * 2. A wrapper that is called before the constructor (by the constructor of a library that the loader starts earlier) makes
 *    the same look-up then.
 *
 * dlsym allocates, at times: that goes to our own heap, which needs none of these functions, and is booked as the tool's own. Where the
 * program has a malloc of its own it goes there; so dlsym is not asked for what is not there (look_up).
 *
 * Limits: without a version dlsym gives a symbol's default version. None of the symbols here has an older version with another
 * meaning, but posix_spawn of glibc before 2.15, which ran scripts without `#!` by the shell. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>

#include "engine.h"

struct real real;
bool real_found;
bool real_heap_elsewhere;

/* Where dlsym finds nothing it allocates for a message that nobody reads; a program with a malloc of its own may be inside that, with
 * its lock held. */
static void *look_up(void *where, const char *name)
{
    if (!engine_defined_somewhere(name, where == RTLD_NEXT ? (const void *)&real : NULL))
        return NULL;
    int saved = errno;
    engine_internal_begin();
    void *address = dlsym(where, name);
    if (!address)
        dlerror();      /* or the program's next one would tell of a symbol that it never asked for */
    engine_internal_end();
    errno = saved;
    return address;
}

void real_find(void)
{
    int saved = errno;
    engine_internal_begin();
    /* POSIX lets a void pointer of dlsym stand for a function; ISO C has no cast for that. */
#define WRAP(name) *(void **)&real.name = look_up(RTLD_NEXT, #name);
#include "symbols.def"
    engine_internal_end();
    real_heap_elsewhere = real_is_not("malloc", (const void *)malloc) || real_is_not("free", (const void *)free);
    if (real_heap_elsewhere)
        engine_note_other_heap();
    __atomic_store_n(&real_found, true, __ATOMIC_RELEASE);
    errno = saved;
}

void *real_next(const char *name) { return look_up(RTLD_NEXT, name); }
void *real_any(const char *name) { return look_up(RTLD_DEFAULT, name); }

/* An executable that takes a function's address answers with a PLT stub of its own, an undefined symbol with an address: that
 * one leads to us. */
bool real_is_not(const char *name, const void *ours)
{
    void *seen = real_any(name);
    if (!seen || seen == ours)
        return false;
    int defined = engine_module_defines(seen, name);
    if (defined >= 0)
        return defined;
    Dl_info info;
    ElfW(Sym) *symbol = NULL;
    return !dladdr1(seen, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol || symbol->st_shndx != SHN_UNDEF;
}
