/* The fuzz target over core files, for libFuzzer (clang -fsanitize=fuzzer); tests/test_cores_fuzz.py builds and runs it. The input is
 * a file's bytes, behind a descriptor without a name. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core_examine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[64];
    struct core_examined examined;
    int fd = memfd_create("core", MFD_CLOEXEC);
    if (fd < 0 || (n && write(fd, data, n) != (ssize_t)n))
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    core_examine(path, &examined);
    if (!core_harmless(&examined))
        abort();
    free(examined.text);
    close(fd);
    return 0;
}
