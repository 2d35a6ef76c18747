/* Paths, holders and what only stacks hold, against the model of random heaps (leak_world.h).
 *
 * For every living block: every word that leads into it is told, with its place; the path that is given exists, pointer by
 * pointer, begins in a root and is as short as the model's breadth first search says; blocks that only a stack holds are those
 * that the model reaches last. */
#include <string.h>

#include "leak_world.h"
#include "report/leak_path.h"
#include "report/leak_paths.h"
#include "unit.h"

#define FAR UINT32_MAX

enum strength { START, EXCUSED, ANY };

static size_t index_of(const struct world *world, const struct block *block) { return (size_t)(block - world->blocks); }

static bool counts(struct world *world, uint64_t word, enum strength strength, struct block **block)
{
    uint64_t offset;
    *block = world_block(world, word, &offset);
    return *block && (offset == 0 || strength == ANY || (strength == EXCUSED && world_excused(world, *block, offset)));
}

/* Pointers on the shortest way to each block from the roots or from block `leader`. */
static void distances(struct world *world, enum strength strength, const struct block *leader, uint32_t *far)
{
    size_t queue[MOST], head = 0, tail = 0;
    for (size_t i = 0; i < world->n; i++) {
        far[i] = FAR;
        if (leader ? leader == &world->blocks[i] : world->blocks[i].live && world->blocks[i].own) {
            far[i] = leader ? 0 : 1;
            queue[tail++] = i;
        }
    }
    for (size_t i = 0; i < world->n_roots && !leader; i++) {
        struct block *block;
        if (counts(world, world->roots[i], strength, &block) && far[index_of(world, block)] == FAR) {
            far[index_of(world, block)] = 1;
            queue[tail++] = index_of(world, block);
        }
    }
    while (head < tail) {
        size_t n, from = queue[head++];
        const uint64_t *words = world_words(world, &world->blocks[from], &n);
        for (size_t k = 0; k < n; k++) {
            struct block *block;
            if (!counts(world, words[k], strength, &block) || far[index_of(world, block)] != FAR)
                continue;
            far[index_of(world, block)] = far[from] + 1;
            queue[tail++] = index_of(world, block);
        }
    }
}

static bool is_root(const struct world *world, const struct holder *holder)
{
    for (size_t i = 0; i < world->n_roots; i++)
        if (world->roots[i] == holder->word && (holder->kind == HOLDER_REGISTER ? world->root_at[i] == holder->reg : world->root_at[i] == holder->address))
            return world->root_of_stack[i] == (holder->kind == HOLDER_STACK || holder->kind == HOLDER_REGISTER);
    return false;
}

/* true: the step is a pointer that is really there. */
static bool step_is_true(struct world *world, const struct path_step *step, const struct block *before, enum strength strength)
{
    struct block *block;
    if (step->from.kind == HOLDER_NOTHING)
        return !before && world_block(world, step->to.address, &(uint64_t){0})->own;
    if (!counts(world, step->from.word, strength, &block) || block->address != step->to.address)
        return false;
    if (!before)
        return is_root(world, &step->from);
    size_t n;
    uint64_t at = step->from.address, start = (before->address + 7) & ~7ull;
    const uint64_t *words = world_words(world, before, &n);
    return step->from.kind == HOLDER_BLOCK && step->from.block.address == before->address && at >= start && (at - start) / 8 < n
        && words[(at - start) / 8] == step->from.word;
}

static void check_path(struct world *world, struct paths *paths, const struct block *block, uint32_t far[3][MOST])
{
    struct path path;
    struct path_block told;
    uint64_t inside = block->size ? world_pick(world, block->size) : 0;
    size_t i = index_of(world, block);
    bool found = paths_to(paths, block->address + inside, &path);
    CHECK(paths_block(paths, block->address + inside, &told) && told.address == block->address && told.size == block->size, "block %zu", i);
    CHECK(told.record.alloc_stack == block->stack, "block %zu", i);
    enum strength strength = ANY;
    uint32_t wanted = FAR, from_leader[MOST];
    const struct block *before = NULL;
    if (block->reached) {
        strength = far[START][i] != FAR ? START : EXCUSED;
        wanted = far[strength][i];
        CHECK(told.kind == LEAK_REACHABLE && told.stack_only == block->stack_only, "block %zu", i);
    } else if (block->possible) {
        wanted = far[ANY][i];
        CHECK(told.kind == LEAK_POSSIBLE, "block %zu", i);
    } else if (block->indirect) {
        before = world_block(world, told.leader, &(uint64_t){0});
        CHECK(before && !before->indirect && !before->reached && !before->possible, "block %zu", i);
        distances(world, ANY, before, from_leader);
        wanted = from_leader[i];
        CHECK(told.kind == LEAK_INDIRECT, "block %zu", i);
    } else {
        CHECK(told.kind == LEAK_DEFINITE, "block %zu", i);
    }
    CHECK(found == (wanted != FAR) && (!found || path.n == wanted), "block %zu: %zu steps, should be %u", i, path.n, wanted);
    for (size_t k = 0; k < path.n; k++) {
        CHECK(step_is_true(world, &path.steps[k], before, strength), "block %zu, step %zu of %zu", i, k, path.n);
        before = world_block(world, path.steps[k].to.address, &(uint64_t){0});
    }
    CHECK(!path.n || before == block, "block %zu", i);
    path_free(&path);
}

static void check_holders(struct world *world, struct paths *paths, const struct block *block)
{
    static struct holder holders[MOST * 64];
    uint64_t count, expected = 0;
    size_t n = paths_holders(paths, block->address, holders, sizeof holders / sizeof *holders, &count);
    for (size_t i = 0; i < world->n_roots; i++)
        expected += world_block(world, world->roots[i], &(uint64_t){0}) == block;
    for (size_t i = 0; i < world->n; i++) {
        size_t words;
        const uint64_t *word = world_words(world, &world->blocks[i], &words);
        for (size_t k = 0; k < words && world->blocks[i].live && &world->blocks[i] != block; k++)
            expected += world_block(world, word[k], &(uint64_t){0}) == block;
    }
    CHECK(n == expected && count == expected, "%zu of %llu, should be %llu", n, (unsigned long long)count, (unsigned long long)expected);
    for (size_t i = 0; i < n; i++) {
        struct path_step step = {.from = holders[i], .to.address = block->address};
        const struct block *from = holders[i].kind == HOLDER_BLOCK ? world_block(world, holders[i].block.address, &(uint64_t){0}) : NULL;
        CHECK(step_is_true(world, &step, from, ANY), "holder %zu", i);
    }
    CHECK(paths_holders(paths, block->address, holders, 1, &count) == (expected != 0) && count == expected, "one");
}

/* Bytes and blocks that pointers of any kind lead to, from everything that is held or lost by itself, without passing `left_out`. */
static struct leak_total all_without(struct world *world, const struct block *left_out)
{
    bool met[MOST] = {false};
    size_t queue[MOST], head = 0, tail = 0;
    struct leak_total total = {0, 0};
    for (size_t i = 0; i < world->n; i++) {
        const struct block *block = &world->blocks[i];
        if (block->live && block != left_out && (block->own || (!block->reached && !block->possible && !block->indirect)))
            met[queue[tail++] = i] = true;
    }
    for (size_t i = 0; i < world->n_roots; i++) {
        struct block *block = world_block(world, world->roots[i], &(uint64_t){0});
        if (block && block != left_out && !met[index_of(world, block)])
            met[queue[tail++] = index_of(world, block)] = true;
    }
    while (head < tail) {
        size_t n;
        const struct block *from = &world->blocks[queue[head++]];
        const uint64_t *words = world_words(world, from, &n);
        total.bytes += from->own ? 0 : from->size;
        total.blocks += !from->own;
        for (size_t k = 0; k < n; k++) {
            struct block *to = world_block(world, words[k], &(uint64_t){0});
            if (to && to != left_out && !met[index_of(world, to)])
                met[queue[tail++] = index_of(world, to)] = true;
        }
    }
    return total;
}

static void check_retained(struct world *world, struct paths *paths, const struct block *block)
{
    struct leak_total got, all = all_without(world, NULL), less = all_without(world, block);
    CHECK(paths_retained(paths, block->address, &got) && got.bytes == all.bytes - less.bytes && got.blocks == all.blocks - less.blocks,
          "%llu in %llu, should be %llu in %llu", (unsigned long long)got.bytes, (unsigned long long)got.blocks,
          (unsigned long long)(all.bytes - less.bytes), (unsigned long long)(all.blocks - less.blocks));
}

/* What the seeds say they reached is all that only stacks hold. */
static void check_seeds(struct world *world, const struct paths *paths)
{
    uint64_t bytes = 0, blocks = 0, got_bytes = 0, got_blocks = 0;
    for (size_t i = 0; i < world->n; i++)
        if (world->blocks[i].live && world->blocks[i].stack_only && !world->blocks[i].own) {
            bytes += world->blocks[i].size;
            blocks++;
        }
    for (size_t i = 0; i < paths->graph.n_seeds; i++) {
        got_bytes += paths->graph.seeds[i].bytes;
        got_blocks += paths->graph.seeds[i].blocks;
    }
    CHECK(bytes == got_bytes && blocks == got_blocks, "%llu in %llu, should be %llu in %llu", (unsigned long long)got_bytes,
          (unsigned long long)got_blocks, (unsigned long long)bytes, (unsigned long long)blocks);
}

static void compare(struct world *world)
{
    static uint32_t far[3][MOST];
    struct error error = {""};
    struct image *image = fake_open(world->fake);
    struct records *records = records_open(image, world->fake->anchor, &error);
    struct leaks_options options = {.threads = 1};
    struct paths *paths = records ? paths_open(records, &options, &error) : NULL;
    CHECK(paths, "%s", error.text);
    for (int strength = START; strength <= ANY; strength++)
        distances(world, (enum strength)strength, NULL, far[strength]);
    for (size_t i = 0; paths && i < world->n; i++) {
        if (!world->blocks[i].live)
            continue;
        check_path(world, paths, &world->blocks[i], far);
        if (world_pick(world, 4) == 0)
            check_retained(world, paths, &world->blocks[i]);
        if (world_pick(world, 8) == 0)
            check_holders(world, paths, &world->blocks[i]);
    }
    if (paths)
        check_seeds(world, paths);
    paths_close(paths);
    records_close(records);
    image_close(image);
}

int main(void)
{
    uint64_t seed = unit_seed("report_paths");
    unsigned rounds = getenv("ROUNDS") ? (unsigned)strtoul(getenv("ROUNDS"), NULL, 0) : 40;
    for (unsigned round = 0; round < rounds && !unit_failures; round++, seed++) {
        static struct world world;
        world_make(&world, seed);
        compare(&world);
        if (unit_failures)
            fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        world_free(&world);
    }
    return unit_result("report_paths");
}
