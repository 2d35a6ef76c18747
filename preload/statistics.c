/* What malloc tells about itself, and its knobs.
 *
 * Duty: malloc_trim, mallinfo, mallinfo2, malloc_stats, malloc_info, mallopt, with figures of our own heap in glibc's forms.
 * mallopt's parameters steer an allocator that is not in use: they are accepted or refused as glibc does, and have no effect.
 *
 * Limits: our heap has one arena. malloc_info writes the totals of its arena, no list of bin sizes. */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#include "base/kernel.h"
#include "base/memory.h"
#include "base/print.h"
#include "engine.h"
#include "export.h"

/* Of glibc on machines with 64-bit words. */
#define LARGEST_FASTBIN 160
#define LARGEST_MMAP_THRESHOLD (32 * 1024 * 1024)

EXPORT int malloc_trim(size_t pad)
{
    (void)pad;
    return engine_trim() > 0;
}

EXPORT struct mallinfo2 mallinfo2(void)
{
    struct engine_stats stats;
    engine_stats(&stats);
    struct mallinfo2 info;
    memory_fill(&info, 0, sizeof info);
    info.arena = stats.mapped_bytes - stats.huge_bytes;
    info.ordblks = 1;
    info.hblks = stats.huge_blocks;
    info.hblkhd = stats.huge_bytes;
    info.uordblks = stats.live_bytes - stats.huge_bytes;
    info.fordblks = stats.free_bytes;
    return info;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
EXPORT struct mallinfo mallinfo(void)
{
    struct mallinfo2 wide = mallinfo2();
    return (struct mallinfo){
        .arena = (int)wide.arena, .ordblks = (int)wide.ordblks, .hblks = (int)wide.hblks, .hblkhd = (int)wide.hblkhd,
        .uordblks = (int)wide.uordblks, .fordblks = (int)wide.fordblks,
    };
}
#pragma GCC diagnostic pop

EXPORT void malloc_stats(void)
{
    struct engine_stats stats;
    engine_stats(&stats);
    char text[400];
    size_t n = print_format(text, sizeof text,
                            "Arena 0:\nsystem bytes     = %10lu\nin use bytes     = %10lu\nTotal (incl. mmap):\n"
                            "system bytes     = %10lu\nin use bytes     = %10lu\nmax mmap regions = %10lu\nmax mmap bytes   = %10lu\n",
                            (unsigned long)(stats.mapped_bytes - stats.huge_bytes), (unsigned long)(stats.live_bytes - stats.huge_bytes),
                            (unsigned long)stats.mapped_bytes, (unsigned long)stats.live_bytes,
                            (unsigned long)stats.huge_blocks, (unsigned long)stats.huge_bytes);
    kernel.write(2, text, n < sizeof text ? n : sizeof text - 1);
}

EXPORT int malloc_info(int options, FILE *out)
{
    if (options != 0)
        return EINVAL;
    struct engine_stats stats;
    engine_stats(&stats);
    fprintf(out,
            "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n</sizes>\n<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
            "<total type=\"rest\" count=\"1\" size=\"%lu\"/>\n<system type=\"current\" size=\"%lu\"/>\n<system type=\"max\" size=\"%lu\"/>\n"
            "</heap>\n<total type=\"rest\" count=\"1\" size=\"%lu\"/>\n<total type=\"mmap\" count=\"%lu\" size=\"%lu\"/>\n"
            "<system type=\"current\" size=\"%lu\"/>\n</malloc>\n",
            (unsigned long)stats.free_bytes, (unsigned long)(stats.mapped_bytes - stats.huge_bytes),
            (unsigned long)(stats.mapped_bytes - stats.huge_bytes), (unsigned long)stats.free_bytes,
            (unsigned long)stats.huge_blocks, (unsigned long)stats.huge_bytes, (unsigned long)stats.mapped_bytes);
    return 0;
}

EXPORT int mallopt(int parameter, int value)
{
    switch (parameter) {
    case M_MXFAST:
        return value >= 0 && value <= LARGEST_FASTBIN;
    case M_MMAP_THRESHOLD:
        return value >= 0 && value <= LARGEST_MMAP_THRESHOLD;
    default:
        return 1;
    }
}
