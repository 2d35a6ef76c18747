/* Damaged images: bytes and words of the records changed at random, memory cut off. Whatever is read must end in an error line or
 * a report; no crash, no hang (an alarm ends the test), no allocation beyond what such a small image justifies (a limit on the
 * address space makes it fail). Strings that reach the text must be harmless. */
#include <libxml/parser.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fake_story.h"
#include "report/formats.h"
#include "report/model.h"
#include "report/render.h"
#include "report/valgrind.h"
#include "unit.h"

/* Where damage is done: the anchor more often than its share. */
static void damage(struct fake *fake, uint64_t *random)
{
    static const uint64_t words[] = {0, 1, 2, 0xff, 0x7fffffff, 0xffffffff, 1ull << 32, 1ull << 47, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    unsigned times = 1 + (unsigned)(unit_random(random) % 12);
    for (unsigned i = 0; i < times; i++) {
        uint64_t at;
        struct fake_mapping *mapping = &fake->mappings[1 + unit_random(random) % (fake->n - 1)];
        if (unit_random(random) % 3 == 0)
            at = fake->anchor + unit_random(random) % (sizeof(struct record_anchor) - 8);
        else if (unit_random(random) % 3 == 0)
            at = mapping->start + unit_random(random) % (mapping->bytes - 8);
        else
            at = fake->pool + fake->pool_left + unit_random(random) % (fake->mappings[1].bytes - fake->pool_left - 8);
        unsigned char *byte = fake_at(fake, at, 8);
        switch (unit_random(random) % 4) {
        case 0: *byte = (unsigned char)unit_random(random); break;
        case 1: *byte ^= (unsigned char)(1u << unit_random(random) % 8); break;
        case 2: memcpy(byte, &words[unit_random(random) % (sizeof words / sizeof *words)], 8); break;
        case 3: memcpy(byte, &words[unit_random(random) % (sizeof words / sizeof *words)], 4); break;
        }
    }
    if (unit_random(random) % 4 == 0) {
        struct fake_mapping *mapping = &fake->mappings[unit_random(random) % fake->n];
        mapping->readable = unit_random(random) % mapping->bytes;
    }
}

static bool harmless(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 && *text != '\n')
            return false;
    return true;
}

/* Every form can be made of what could be read, is of bounded size, and where it is XML a parser takes it. */
static void check_forms(const struct model *model, unsigned round, unsigned long long seed)
{
    for (int id = 0; id < FORMATS; id++) {
        char *bytes = NULL;
        size_t n = 0;
        if (round % 8 && round % FORMATS != (unsigned)id)
            continue;
        FILE *out = open_memstream(&bytes, &n);
        CHECK(formats[id].render(model, &render_defaults, out), "seed %llu: no %s", seed, formats[id].name);
        fclose(out);
        CHECK(n < 16 << 20, "seed %llu: %zu bytes of %s", seed, n, formats[id].name);
        if (id == FORMAT_valgrind_xml || id == FORMAT_junit) {
            xmlDocPtr document = xmlReadMemory(bytes, (int)n, "report", NULL, XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET);
            CHECK(document, "seed %llu: %s is no XML", seed, formats[id].name);
            xmlFreeDoc(document);
        }
        if (id == FORMAT_github || id == FORMAT_folded)
            CHECK(harmless(bytes), "seed %llu: a control byte in %s", seed, formats[id].name);
        free(bytes);
    }
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    for (size_t i = 0; i < model->n_errors; i++)
        render_valgrind_error(model, &model->errors[i], &valgrind_style_default, out);
    render_valgrind_text(model, &valgrind_style_default, out);
    fclose(out);
    CHECK(harmless(text), "seed %llu: a control byte in memcheck's text", seed);
    free(text);
}

/* Regions that are believed when the one at `index` says that its records take `bytes`. */
static size_t believed(unsigned index, uint32_t bytes, bool *told)
{
    struct error error = {""};
    struct fake *fake = fake_story();
    ((struct record_region *)fake_entry_at(fake, RECORD_TABLE_REGIONS, index))->record_bytes = bytes;
    struct image *image = fake_open(fake);
    struct records *records = records_open(image, fake->anchor, &error);
    size_t n = records ? records->n_regions : 0;
    *told = false;
    for (size_t i = 0; records && i < records->n_problems; i++)
        *told |= strstr(records->problems[i], "regions are damaged") != NULL;
    records_close(records);
    image_close(image);
    fake_free(fake);
    return n;
}

/* The uniform region of the story and its placed one. */
static void sizes_of_records(void)
{
    static const struct { uint32_t bytes; bool uniform, placed; } sizes[] = {
        {0, true, true}, {8, false, false}, {16, true, false}, {20, false, false}, {24, true, false}, {32, false, true}, {40, false, false},
        {UINT32_MAX, false, false},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned region = 1; region <= 2; region++) {
            bool told, wanted = region == 1 ? sizes[i].uniform : sizes[i].placed;
            size_t n = believed(region, sizes[i].bytes, &told);
            CHECK(n == 1 + (size_t)wanted && told == !wanted, "region %u with records of %u bytes: %zu regions", region, sizes[i].bytes, n);
        }
}

int main(void)
{
    uint64_t seed = unit_seed("report_hostile");
    sizes_of_records();
    unsigned opened = 0, refused = 0;
#if !defined(__SANITIZE_ADDRESS__)
    struct rlimit limit = {(rlim_t)1 << 30, (rlim_t)1 << 30};
    setrlimit(RLIMIT_AS, &limit);
#endif
    alarm(300);
    for (unsigned round = 0; round < 3000; round++) {
        uint64_t random = seed + round;
        struct error error = {""};
        struct fake *fake = fake_story();
        damage(fake, &random);
        struct image *image = fake_open(fake);
        struct records *records = records_open(image, unit_random(&random) & 1 ? fake->anchor : 0, &error);
        if (!records) {
            CHECK(*error.text && !strchr(error.text, '\n'), "seed %llu: no clear line", (unsigned long long)(seed + round));
            refused++;
        } else {
            struct symbols *symbols = symbols_open();
            struct model_options options = {.show_leak_kinds = UINT64_MAX, .fail_on = UINT64_MAX, .error_exitcode = 23, .gen_suppressions = round & 1};
            struct model *model = model_new(records, symbols, &options);
            char *text = NULL, *json = NULL;
            size_t n = 0, m = 0;
            FILE *out = open_memstream(&text, &n);
            render_text(model, &render_defaults, out);
            fclose(out);
            CHECK(harmless(text), "seed %llu: a control byte in the text", (unsigned long long)(seed + round));
            out = open_memstream(&json, &m);
            CHECK(render_json(model, out), "seed %llu: no JSON", (unsigned long long)(seed + round));
            fclose(out);
            CHECK(n < 4 << 20 && m < 8 << 20, "seed %llu: %zu bytes of text, %zu of JSON", (unsigned long long)(seed + round), n, m);
            free(text);
            free(json);
            check_forms(model, round, seed + round);
            struct records_found found;
            records_block_at(records, fake->mappings[2].start + unit_random(&random) % 4096, &found);
            model_free(model);
            symbols_close(symbols);
            records_close(records);
            opened++;
        }
        image_close(image);
        fake_free(fake);
    }
    printf("report_hostile: %u read, %u refused\n", opened, refused);
    CHECK(opened > 1000 && refused > 50, "the damage is too weak or too strong to tell anything");
    return unit_result("report_hostile");
}
