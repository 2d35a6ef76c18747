/* The index against a plain array: puts, changes, drops and look-ups in any order, with keys that collide and addresses as keys. */
#include "base/index.h"

#include "base/memory.h"
#include "base/table.h"
#include "unit.h"

#define KEYS 4000u

static uint64_t key_of(unsigned i)
{
    return i % 3 == 0 ? 0x7f0000000000ull + 16u * i : i % 3 == 1 ? i : (uint64_t)i << 40;
}

static void against_a_model(uint64_t *random)
{
    static uint32_t model[KEYS];
    struct index index = {0};
    uint64_t n = 0;
    memory_fill(model, 0, sizeof model);
    CHECK(index_get(&index, 5) == 0, "an empty index knows a key");
    index_drop(&index, 5);
    for (unsigned step = 0; step < 200000; step++) {
        unsigned i = (unsigned)(unit_random(random) % KEYS), what = (unsigned)(unit_random(random) % 8);
        /* It grows for a while, then shrinks, and so on. */
        if (what < (step / 20000 % 2 ? 2u : 5u)) {
            uint32_t value = (uint32_t)unit_random(random) | 1;
            CHECK(index_put(&index, key_of(i), value), "no memory");
            n += !model[i];
            model[i] = value;
        } else if (what < 7) {
            index_drop(&index, key_of(i));
            n -= model[i] != 0;
            model[i] = 0;
        }
        CHECK(index_get(&index, key_of(i)) == model[i], "key %u", i);
        CHECK(index.n == n, "%llu in use, not %llu", (unsigned long long)index.n, (unsigned long long)n);
        if (step % 5000 == 0)
            for (unsigned k = 0; k < KEYS; k++)
                CHECK(index_get(&index, key_of(k)) == model[k], "key %u after %u steps", k, step);
    }
    if (index.mask)
        memory_unmap(index.slots, (index.mask + 1) * sizeof *index.slots);
}

int main(void)
{
    uint64_t random = unit_seed("base_index");
    for (unsigned round = 0; round < 4; round++)
        against_a_model(&random);
    return unit_result("base_index");
}
