/* The memo of whole stacks: one is found as long as each of its words is the same, whatever their number; several of one place are kept beside
 * each other; what was kept for other modules, or another thread, is not found. */
#include "trace/memo.h"
#include "trace/modules.h"
#include "trace/threads.h"
#include "unit.h"

#define WORDS 400
#define DEEPEST (MEMO_CHUNK * MEMO_CHUNKS)      /* words of a stack that is remembered */
#define LIMIT 30

static uint64_t stack[WORDS];                   /* upwards, as the frames go outwards */
static struct capture_memo *memo;

static struct capture_start start_at(uintptr_t pc, unsigned from)
{
    return (struct capture_start){.pc = pc, .sp = (uintptr_t)&stack[from], .fp = 7};
}

/* As a walk from there leaves it: `frames` callers, each return address of a frame three words from the last; every other one saved a frame
 * pointer that matters, if `pointers`. Returns the words that it read. */
static unsigned walked(const struct capture_start *start, unsigned frames, bool pointers)
{
    unsigned words = frames;
    struct memo_walk *last = &memo->last;
    uintptr_t sp = start->sp;
    last->depth = frames + 1;
    for (unsigned i = frames;; i--) {
        last->frame[i] = (struct memo_frame){.pc = start->pc, .sp = sp, .fp = 0, .link = 0};
        if (i < frames) {
            last->frame[i].pc = *(uint64_t *)(sp - 8);
            if (pointers && i % 2) {
                last->frame[i].fp = *(uint64_t *)(sp - 16);
                last->frame[i].link = (sp - 16) | MEMO_FP_LIVE;
                words++;
            }
        }
        if (i == 0)
            return words;
        sp += 24;
    }
}

static void scribble(uint64_t seed)
{
    for (unsigned i = 0; i < WORDS; i++)
        stack[i] = unit_random(&seed);
}

/* Each word that the walk read is compared, and none but those. */
static void every_word(unsigned frames, bool pointers)
{
    struct capture_start start = start_at(0x1000 + 2 * frames + pointers, 0);
    unsigned words = walked(&start, frames, pointers), noticed = 0;
    memo_remember(memo, &start, 0, 40 + frames);
    if (words > DEEPEST) {
        CHECK(memo_find(memo, &start) == 0, "%u words are too many", words);
        return;
    }
    CHECK(memo_find(memo, &start) == 40 + frames, "%u frames, %u words", frames, words);
    for (unsigned i = 0; i < WORDS; i++) {
        stack[i] ^= 1ull << i % 64;
        noticed += memo_find(memo, &start) != 40 + frames;
        stack[i] ^= 1ull << i % 64;
    }
    CHECK(noticed == words, "%u frames: of %u words %u", frames, words, noticed);
    start.pc += 0x100000;
    CHECK(memo_find(memo, &start) == 0);
}

/* Comes to one place by turns with `n` stacks; returns how many times of the last round it was known. */
static unsigned by_turns(uintptr_t pc, unsigned n)
{
    unsigned known = 0;
    struct capture_start start = start_at(pc, 0);
    for (unsigned round = 0; round < 8; round++)
        for (unsigned i = 0; i < n; i++) {
            stack[20] = 100 + i;        /* of the seventh caller */
            walked(&start, 10, false);
            uint32_t node = memo_find(memo, &start);
            CHECK(node == 0 || node == 100 + i, "%u is not %u", node, 100 + i);
            if (!node)
                memo_keep(memo, &start, 0, 100 + i);
            known += round == 7 && node;
        }
    return known;
}

static void taken_over(struct thread_state *self)
{
    struct capture_start start = start_at(0x5000, 0);
    walked(&start, 10, false);
    memo_remember(memo, &start, 0, 9);
    uint32_t epoch = modules_epoch();
    CHECK(memo_of(self, epoch, LIMIT) == memo && memo_find(memo, &start) == 9);
    CHECK(memo_is_good(self, modules_now(), LIMIT));
    CHECK(!memo_is_good(self, epoch | 1ull << 32, LIMIT) && !memo_is_good(self, epoch, LIMIT + 1));
    CHECK(memo_of(self, epoch + 1, LIMIT) == memo && memo_find(memo, &start) == 0);
    memo_of(self, epoch, LIMIT);
    walked(&start, 10, false);
    memo_remember(memo, &start, 0, 9);
    CHECK(memo_find(memo, &start) == 9);
    self->memo_modules = 0;             /* as when another thread has the state */
    CHECK(memo_of(self, epoch, LIMIT) == memo && memo_find(memo, &start) == 0);
}

int main(void)
{
    if (!modules_init() || !threads_init())
        return 1;
    struct thread_state *self = threads_self();
    memo = memo_of(self, modules_epoch(), LIMIT);
    CHECK(memo != NULL);
    if (!memo)
        return unit_result("trace_memo");
    scribble(unit_seed("trace_memo"));
    for (unsigned frames = 1; frames <= DEEPEST + 1; frames++) {
        every_word(frames, false);
        every_word(frames, true);
    }
    for (unsigned n = 1; n <= MEMO_WAYS; n++)
        CHECK(by_turns(0x2000 + n * 64, n) == n, "of %u stacks at one place", n);
    taken_over(self);
    return unit_result("trace_memo");
}
