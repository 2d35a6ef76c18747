/* Dumps written and read back, and read back damaged.
 *
 *   1. A made-up process is dumped in every form; each form must give the report that the process itself gives.
 *   2. The dump is cut off at every interesting offset, and bytes and words all over it are changed, in a bounded loop: no crash, no
 *      hang (an alarm), no allocation that the file does not justify (a limit on the address space), one clear line or a report.
 *
 *   report_cores               the above
 *   report_cores --corpus DIR  writes small dumps there, for the fuzzer
 *   report_cores FILE SECONDS  damages a copy of FILE, a real dump, for so long */
#include <elf.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core_examine.h"
#include "fake_story.h"
#include "report/dump.h"
#include "report/model.h"
#include "report/render.h"
#include "unit.h"

#if defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

static char place[PATH_MAX];

static const char *in_place(const char *name)
{
    static char path[4][PATH_MAX + 64];
    static unsigned turn;
    char *at = path[turn++ % 4];
    snprintf(at, sizeof path[0], "%s/%s", place, name);
    return at;
}

static const struct { const char *name; struct dump_options options; } forms[] = {
    {"plain.core", {0}},
    {"packed.core", {.compress = true}},
    {"bare.core", {.without_contents = true}},
    {"bare-packed.core", {.compress = true, .without_contents = true}},
};
#define FORMS (sizeof forms / sizeof *forms)

static void write_dumps(void)
{
    struct error error = {""};
    struct fake *fake = fake_story();
    struct image *image = fake_open(fake);
    struct records *records = records_open(image, 0, &error);
    CHECK(records, "%s", error.text);
    for (size_t i = 0; records && i < FORMS; i++)
        CHECK(dump_write(image, records, in_place(forms[i].name), &forms[i].options, NULL, &error), "%s: %s", forms[i].name, error.text);
    records_close(records);
    image_close(image);
    fake_free(fake);
}

/* ---- what is read back ---- */

static struct leaks *leaks_of(struct image *image, struct leak_total *freed)
{
    struct error error = {""};
    struct leaks_options options = {0};
    struct records *records = records_open(image, 0, &error);
    struct leaks *leaks = records ? leaks_check(records, &options, &error) : NULL;
    CHECK(leaks, "%s", error.text);
    freed->bytes = records ? records->anchor.freed_bytes : 0;
    freed->blocks = records ? records->anchor.frees : 0;
    records_close(records);
    return leaks;
}

static void check_forms(void)
{
    struct fake *fake = fake_story();
    struct image *image = fake_open(fake);
    struct leak_total freed, again;
    struct leaks *want = leaks_of(image, &freed);
    for (size_t i = 0; i < FORMS; i++) {
        struct error error = {""};
        struct image *core = image_open_core(in_place(forms[i].name), NULL, &error);
        CHECK(core, "%s: %s", forms[i].name, error.text);
        struct leaks *got = core ? leaks_of(core, &again) : NULL;
        for (int kind = 0; got && want && kind < LEAK_KINDS; kind++)
            CHECK(got->totals[kind].bytes == want->totals[kind].bytes && got->totals[kind].blocks == want->totals[kind].blocks,
                  "%s: %s", forms[i].name, leak_kind_names[kind]);
        CHECK(!got || (got->n_records == want->n_records && again.bytes == freed.bytes), "%s", forms[i].name);
        CHECK(!core || core->contents_removed == forms[i].options.without_contents, "%s", forms[i].name);
        leaks_free(got);
        image_close(core);
    }
    leaks_free(want);
    image_close(image);
    fake_free(fake);
}

/* More mappings than an ELF header can count: their number stands in a section header then. */
static void check_many_mappings(void)
{
    enum { MANY = 70000 };
    struct error error = {""};
    struct fake *fake = fake_story();
    struct image *few = fake_open(fake);
    size_t n = few->n_mappings + MANY;
    struct image_mapping *mappings = calloc(n, sizeof *mappings);
    if (!mappings)
        abort();
    for (size_t i = 0; i < n; i++) {
        uint64_t start = UINT64_C(0x600000000000) + i * 8192;
        mappings[i] = i < few->n_mappings ? few->mappings[i] : (struct image_mapping){.start = start, .end = start + 4096, .access = 0, .path = ""};
        mappings[i].path = strdup(mappings[i].path);
    }
    struct image *many = image_new(few->ops, few->ctx, mappings, n, &error);
    struct records *records = many ? records_open(many, 0, &error) : NULL;
    CHECK(records && dump_write(many, records, in_place("many"), NULL, NULL, &error), "%s", error.text);
    struct image *core = image_open_core(in_place("many"), NULL, &error);
    CHECK(core && core->n_mappings == n && !core->incomplete, "%zu of %zu: %s", core ? core->n_mappings : 0, n, error.text);
    image_close(core);
    records_close(records);
    image_close(many);
    image_close(few);
    fake_free(fake);
    unlink(in_place("many"));
}

/* ---- damage ---- */

static void examine(const char *path, const char *what, uint64_t where, unsigned *opened, unsigned *refused)
{
    struct core_examined examined;
    core_examine(path, &examined);
    CHECK(core_harmless(&examined), "%s at %llu: '%s'", what, (unsigned long long)where, examined.error);
    (*opened) += examined.opened;
    (*refused) += !examined.opened;
    free(examined.text);
}

static unsigned char *slurp(const char *path, size_t *n)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        abort();
    unsigned char *bytes = malloc((size_t)status.st_size + 1);
    ssize_t got = bytes ? read(fd, bytes, (size_t)status.st_size) : -1;
    if (got != status.st_size)
        abort();
    close(fd);
    *n = (size_t)got;
    return bytes;
}

static void spit(const char *path, const unsigned char *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        abort();
    close(fd);
}

/* Bytes from `from` on that belong into the file: up to a stretch of ROOM zeros. *next: where something comes again, or n. */
static size_t stretch(const unsigned char *bytes, size_t from, size_t n, size_t *next)
{
    enum { PAGE = 4096, ROOM = 16 * PAGE };
    size_t end = from;
    for (size_t at = from; at < n; at += PAGE) {
        size_t some = n - at < PAGE ? n - at : PAGE;
        bool zero = bytes[at] == 0 && memcmp(bytes + at, bytes + at + 1, some - 1) == 0;
        if (!zero && at - end >= ROOM) {
            *next = at;
            return end - from;
        }
        if (!zero)
            end = at + some;
    }
    *next = n;
    return end - from;
}

/* A dump without its long stretches of zeros: nearly the same to a reader, and small enough to be damaged often. */
static unsigned char *compact(const unsigned char *core, size_t *n)
{
    enum { MOST = 400 };
    Elf64_Ehdr header;
    Elf64_Phdr segments[MOST];
    unsigned char *out = calloc(1, *n);
    size_t used = sizeof header + MOST * sizeof *segments;
    unsigned count = 0;
    if (!out)
        abort();
    memcpy(&header, core, sizeof header);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr whole;
        memcpy(&whole, core + header.e_phoff + i * sizeof whole, sizeof whole);
        size_t at = 0, next = 0;
        do {
            Elf64_Phdr *segment = &segments[count++];
            *segment = whole;
            size_t bytes = whole.p_type == PT_LOAD ? stretch(core + whole.p_offset, at, whole.p_filesz, &next) : whole.p_filesz;
            if (whole.p_type == PT_LOAD) {
                segment->p_vaddr += at;
                segment->p_memsz = (next < whole.p_filesz ? next : whole.p_memsz) - at;
                segment->p_filesz = bytes;
            }
            segment->p_offset = used;
            memcpy(out + used, core + whole.p_offset + at, bytes);
            used += (bytes + 15) & ~(size_t)15;
            at = next;
        } while (whole.p_type == PT_LOAD && at < whole.p_filesz && count < MOST);
    }
    header.e_phoff = sizeof header;
    header.e_phnum = (Elf64_Half)count;
    memcpy(out, &header, sizeof header);
    memcpy(out + sizeof header, segments, count * sizeof *segments);
    *n = used;
    return out;
}

/* Cuts at the ends of all that the file names, and a byte before and behind. */
static void cut_everywhere(const unsigned char *bytes, size_t n, bool elf)
{
    size_t ends[512], n_ends = 0;
    unsigned opened = 0, refused = 0;
    for (size_t i = 0; i <= 4; i++)
        ends[n_ends++] = n * i / 4;
    if (elf) {
        Elf64_Ehdr header;
        memcpy(&header, bytes, sizeof header);
        ends[n_ends++] = sizeof header;
        ends[n_ends++] = header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr);
        for (unsigned i = 0; i < header.e_phnum && n_ends + 2 < sizeof ends / sizeof *ends; i++) {
            Elf64_Phdr segment;
            memcpy(&segment, bytes + header.e_phoff + i * sizeof segment, sizeof segment);
            ends[n_ends++] = segment.p_offset;
            ends[n_ends++] = segment.p_offset + segment.p_filesz / 2;
        }
    }
    for (size_t i = 0; i < n_ends; i++)
        for (int step = -1; step <= 1; step++) {
            size_t at = ends[i] + (size_t)step;
            if (at > n)
                continue;
            spit(in_place("cut"), bytes, at);
            examine(in_place("cut"), "cut", at, &opened, &refused);
        }
    printf("report_cores: cut off: %u read, %u refused\n", opened, refused);
    CHECK(refused > 0, "no cut made a difference");
}

static void flip_everywhere(unsigned char *bytes, size_t n, unsigned rounds, uint64_t seed)
{
    static const uint64_t words[] = {0, 1, 0xff, 0x7fffffff, 0xffffffff, 1ull << 32, 1ull << 47, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    unsigned opened = 0, refused = 0;
    size_t step = n / rounds ? n / rounds : 1;
    uint64_t random = seed;
    unsigned char *hurt = malloc(n);
    for (size_t from = 0; from + 8 < n && hurt; from += step) {
        memcpy(hurt, bytes, n);
        size_t at = from + unit_random(&random) % step;
        if (at + 8 > n)
            break;
        switch (unit_random(&random) % 3) {
        case 0: hurt[at] ^= (unsigned char)(1u << unit_random(&random) % 8); break;
        case 1: hurt[at] = (unsigned char)unit_random(&random); break;
        case 2: memcpy(hurt + (at & ~(size_t)7), &words[unit_random(&random) % (sizeof words / sizeof *words)], 8); break;
        }
        spit(in_place("flipped"), hurt, n);
        examine(in_place("flipped"), "changed", at, &opened, &refused);
    }
    free(hurt);
    printf("report_cores: changed: %u read, %u refused\n", opened, refused);
}

/* ---- a real dump ---- */

/* Damages a sparse copy in place, a few words at a time, and mends it again. */
/* Each segment in turn claims to be of terabytes, which costs whoever writes that nothing. */
static void grow_everywhere(unsigned char *bytes, size_t n)
{
    Elf64_Ehdr header;
    unsigned opened = 0, refused = 0;
    memcpy(&header, bytes, sizeof header);
    for (size_t i = 0; i < header.e_phnum && header.e_phoff + (i + 1) * sizeof(Elf64_Phdr) <= n; i++) {
        size_t at = header.e_phoff + i * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_memsz);
        uint64_t was, claimed = 1ull << 50;
        memcpy(&was, bytes + at, sizeof was);
        memcpy(bytes + at, &claimed, sizeof claimed);
        spit(in_place("flipped"), bytes, n);
        examine(in_place("flipped"), "grown", at, &opened, &refused);
        memcpy(bytes + at, &was, sizeof was);
    }
    printf("report_cores: grown: %u read, %u refused\n", opened, refused);
}

static int attack_file(const char *path, double seconds)
{
    char command[2 * PATH_MAX + 64];
    struct timespec start, now;
    unsigned opened = 0, refused = 0;
    uint64_t random = unit_seed("report_cores");
    snprintf(command, sizeof command, "cp --sparse=always '%s' '%s'", path, in_place("hurt"));
    if (system(command) != 0)
        return 1;
    int fd = open(in_place("hurt"), O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        enum { MOST = 8 };
        unsigned char old[MOST][8];
        off_t at[MOST];
        unsigned n = 1 + (unsigned)(unit_random(&random) % MOST);
        for (unsigned i = 0; i < n; i++) {
            uint64_t word = unit_random(&random) >> unit_random(&random) % 64;
            /* Half of them in the head; the others where there is something. */
            at[i] = (off_t)(unit_random(&random) % (uint64_t)(i & 1 ? size : 65536 < size ? 65536 : size)) & ~(off_t)7;
            off_t data = lseek(fd, at[i], SEEK_DATA);
            at[i] = data < 0 ? 0 : data + (off_t)(unit_random(&random) % 4096 & ~7u);
            if (at[i] + 8 > size)
                at[i] = 0;
            if (pread(fd, old[i], 8, at[i]) != 8 || pwrite(fd, &word, unit_random(&random) & 1 ? 8 : 1, at[i]) < 1)
                return 1;
        }
        examine(in_place("hurt"), "changed", (uint64_t)at[0], &opened, &refused);
        for (unsigned i = n; i-- > 0;)
            if (pwrite(fd, old[i], 8, at[i]) != 8)
                return 1;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - start.tv_sec) < seconds);
    close(fd);
    printf("report_cores: changed: %u read, %u refused\n", opened, refused);
    return unit_result("report_cores");
}

int main(int argc, char **argv)
{
    const char *directory = getenv("TMPDIR");
    size_t n, m;
    snprintf(place, sizeof place, "%s/report_cores.XXXXXX", directory ? directory : "/tmp");
    if (!mkdtemp(place))
        return 1;
#if !defined(__SANITIZE_ADDRESS__) && !SANITIZED
    struct rlimit limit = {(rlim_t)4 << 30, (rlim_t)4 << 30};
    setrlimit(RLIMIT_AS, &limit);
#endif
    int status = 0;
    if (argc == 3 && strcmp(argv[1], "--corpus") != 0) {
        status = attack_file(argv[1], atof(argv[2]));
    } else {
        alarm(600);
        write_dumps();
        unsigned char *whole = slurp(in_place("plain.core"), &n), *packed = slurp(in_place("packed.core"), &m);
        unsigned char *small = compact(whole, &n);
        if (argc == 3) {
            snprintf(place, sizeof place, "%s", argv[2]);
            spit(in_place("plain.core"), small, n);
            spit(in_place("packed.core"), packed, m);
            return unit_result("report_cores");
        }
        check_forms();
        check_many_mappings();
        cut_everywhere(small, n, true);
        cut_everywhere(packed, m, false);
        grow_everywhere(small, n);
        flip_everywhere(small, n, 2000, unit_seed("report_cores"));
        flip_everywhere(packed, m, 300, 1);
        free(whole);
        free(small);
        free(packed);
        status = unit_result("report_cores");
    }
    static const char *const left[] = {"plain.core", "packed.core", "bare.core", "bare-packed.core", "cut", "flipped", "hurt"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        unlink(in_place(left[i]));
    rmdir(place);
    return status;
}
