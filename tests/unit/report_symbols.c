/* The symboliser on this very program, and the image of this very process: a pc in a function that was inlined twice gives three
 * frames with the right lines, and one without a line where it counts as the tool's own library; a wrong build id is refused with
 * a note; memory reads back as it is. */
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "report/image.h"
#include "report/symbols.h"
#include "unit.h"

static unsigned inner_line, middle_line, outer_line;

__attribute__((noinline)) static uint64_t where(void)
{
    return (uint64_t)(uintptr_t)__builtin_return_address(0);
}

__attribute__((always_inline)) static inline uint64_t inner(void)
{
    inner_line = __LINE__ + 1;
    uint64_t pc = where();
    __asm__ volatile("" : "+r"(pc));
    return pc;
}

__attribute__((always_inline)) static inline uint64_t middle(void)
{
    middle_line = __LINE__ + 1;
    return inner() + 0;
}

__attribute__((noinline)) static uint64_t outer(void)
{
    outer_line = __LINE__ + 1;
    uint64_t pc = middle();
    __asm__ volatile("" : "+r"(pc));
    return pc;
}

static int first_bias(struct dl_phdr_info *info, size_t size, void *bias)
{
    (void)size;
    *(uint64_t *)bias = info->dlpi_addr;
    return 1;
}

static void check_symbols(void)
{
    static const char *const names[] = {"inner", "middle", "outer"};
    struct record_module module = {.flags = RECORD_MODULE_MAIN};
    const struct frame *frames, *again;
    const char *const *notes;
    char path[4096] = "";
    CHECK(readlink("/proc/self/exe", path, sizeof path - 1) > 0, "no path");
    dl_iterate_phdr(first_bias, &module.bias);
    struct symbols *symbols = symbols_open();
    uint64_t pc = outer();
    unsigned lines[] = {inner_line, middle_line, outer_line};
    size_t n = symbols_at(symbols, &module, path, pc, false, &frames);
    CHECK(n == 3, "%zu frames", n);
    for (size_t i = 0; i < n && i < 3; i++) {
        CHECK(frames[i].function && strcmp(frames[i].function, names[i]) == 0, "frame %zu is %s", i, frames[i].function);
        CHECK(frames[i].line == lines[i], "frame %zu: line %u, should be %u", i, frames[i].line, lines[i]);
        CHECK(frames[i].file && *frames[i].file == '/' && strstr(frames[i].file, "tests/unit/report_symbols.c"), "file %s", frames[i].file);
        CHECK(frames[i].inlined == (i < 2), "frame %zu inlined", i);
        CHECK(frames[i].offset == pc - module.bias, "frame %zu: pc", i);
    }
    CHECK(symbols_at(symbols, &module, path, pc, false, &again) == n && again == frames, "not kept");
    module.flags = RECORD_MODULE_SELF;
    size_t own = symbols_at(symbols, &module, path, pc, false, &again);
    CHECK(own == 1 && strcmp(again->function, "outer") == 0 && !again->inlined, "of the tool's own library: %zu frames, %s", own, again->function);
    CHECK(!again->file && !again->line && !again->column, "a line of the tool's own library: %s", again->file);
    module.flags = RECORD_MODULE_MAIN;
    CHECK(symbols_notes(symbols, &notes) == 0, "%s", notes[0]);

    /* Another load of the file at another place: same answers. */
    struct record_module moved = module;
    moved.bias += 0x10000;
    CHECK(symbols_at(symbols, &moved, path, pc + 0x10000, false, &again) == n && again[0].line == inner_line, "moved");

    module.build_id_bytes = 20;
    n = symbols_at(symbols, &module, path, pc, false, &frames);
    CHECK(n == 1 && !frames[0].function && frames[0].module, "a wrong build id was believed");
    CHECK(symbols_notes(symbols, &notes) == 1 && strstr(notes[0], "not the one that ran"), "no note");
    n = symbols_at(symbols, NULL, NULL, 0x1234, false, &frames);
    CHECK(n == 1 && !frames[0].module && frames[0].pc == 0x1234, "a pc in no module");
    module.build_id_bytes = 0;
    n = symbols_at(symbols, &module, "/dev/zero", pc, false, &frames);
    CHECK(n == 1 && !frames[0].function, "a device");
    symbols_close(symbols);
}

static void check_image(void)
{
    struct error error = {""};
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 64 * page;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), buffer[64];
    memcpy(memory + 8 * page - 4, "midden!!", 8);
    munmap(memory + 60 * page, page);
    struct image *image = image_open_pid(getpid(), &error);
    CHECK(image, "%s", error.text);
    if (!image)
        return;
    uint64_t at = (uintptr_t)memory, start, end;
    CHECK(image_read(image, at + 8 * page - 4, buffer, 8) == 8 && memcmp(buffer, "midden!!", 8) == 0, "read");
    CHECK(image_read(image, at + 60 * page - 8, buffer, 64) == 8, "a read up to a hole");
    memset(buffer, 1, sizeof buffer);
    CHECK(image_read_around(image, at + 60 * page - 8, buffer, 64) == 8 && !buffer[8] && !buffer[63], "what cannot be read is zero");
    CHECK(image_covers(image, at, 60 * page) && !image_covers(image, at, 61 * page) && !image_covers(image, UINT64_MAX - 4, 8), "covers");
    const struct image_mapping *mapping = image_mapping_at(image, (uintptr_t)check_image);
    CHECK(mapping && (mapping->access & IMAGE_EXECUTE) && !(mapping->access & IMAGE_WRITE) && mapping->inode, "our code");
    CHECK(image->ops->touched(image->ctx, at, at + 60 * page, &start, &end), "touched");
    CHECK(start <= at + 7 * page && end >= at + 9 * page, "0x%llx to 0x%llx", (unsigned long long)start, (unsigned long long)end);
    image_close(image);
    CHECK(!image_open_pid(-1, &error) && *error.text, "no such process");
    CHECK(!image_open_fds(1, -1, -1, &error) && *error.text, "no descriptors");
    munmap(memory, bytes);
}

int main(void)
{
    check_symbols();
    check_image();
    return unit_result("report_symbols");
}
