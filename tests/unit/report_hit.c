/* The judgement of watchpoint hits, on recorded code, registers and memory: what is told, with address, size and instruction, and
 * what must be dropped. Needs no debug registers.
 *
 *     low                       block           end         high
 *     0x10000000                0x10000fd0      +size       0x10001000         (a slot between page guards, high side)
 *     stack: 0x20000000 .. 0x20001000, rbp 0x20000800, rsp 0x20000700
 *     code:  0x400000 */
#include "hit.h"

#include <stddef.h>
#include <string.h>

#include "unit.h"

#define LOW 0x10000000ull
#define HIGH 0x10001000ull
#define BLOCK 0x10000fd0ull
#define SIZE 41
#define END (BLOCK + SIZE)              /* …ff9: one byte is watched there, and eight in front of the block */
#define STACK 0x20000000ull
#define RBP (STACK + 0x800)
#define RSP (STACK + 0x700)
#define CODE 0x400000ull

enum greg { R8, R9, R10, R11, R12, R13, R14, R15, RDI, RSI, GBP, RBX, RDX, RAX, RCX, GSP, RIP, EFL, GREGS };
enum { DOWN = 1 << 10 };

struct machine {
    const uint8_t *code;
    size_t code_bytes;
    uint8_t stack[0x1000];
};

static size_t read_machine(void *ctx, uint64_t address, void *to, size_t n)
{
    const struct machine *machine = ctx;
    const uint8_t *from = NULL;
    size_t room = 0;
    if (address >= CODE && address < CODE + machine->code_bytes) {
        from = machine->code + (address - CODE);
        room = machine->code_bytes - (size_t)(address - CODE);
    } else if (address >= STACK && address < STACK + sizeof machine->stack) {
        from = machine->stack + (address - STACK);
        room = sizeof machine->stack - (size_t)(address - STACK);
    }
    n = n < room ? n : room;
    if (n)
        memcpy(to, from, n);
    return n;
}

struct row {
    const char *what;
    const char *code;                   /* the function */
    unsigned code_bytes, pc;            /* where in it the thread stands */
    enum greg a; uint64_t a_value;      /* registers at the hit */
    enum greg b; uint64_t b_value;
    unsigned slot; uint64_t slot_value; /* bytes below rbp, and what stands there; 0: nothing */
    uint64_t watch; unsigned watch_bytes;
    bool changed, library;
    enum record_access access;          /* expected; UNKNOWN: dropped */
    uint64_t address, bytes;            /* expected; bytes 0: not exact */
    unsigned guilty;                    /* where in the function the instruction is */
};

#define C(text) text, sizeof text - 1
#define NONE GREGS, 0
#define NO_SLOT 0, 0
#define FRONT BLOCK - 8, 8
#define REAR END, 1
#define DROPPED RECORD_ACCESS_UNKNOWN, 0, 0, 0
#define READ RECORD_ACCESS_READ
#define WRITE RECORD_ACCESS_WRITE

static const struct row rows[] = {
    {"mov (%rdi),%eax behind the end", C("\x8b\x07\xc3"), 2, RDI, END, NONE, NO_SLOT, REAR, 0, 0, READ, END, 4, 0},
    {"across the end", C("\x8b\x07\xc3"), 2, RDI, END - 3, NONE, NO_SLOT, REAR, 0, 0, DROPPED},
    {"before the start", C("\x8b\x07\xc3"), 2, RDI, BLOCK - 4, NONE, NO_SLOT, FRONT, 0, 0, READ, BLOCK - 4, 4, 0},
    {"across the start", C("\x8b\x07\xc3"), 2, RDI, BLOCK - 2, NONE, NO_SLOT, FRONT, 0, 0, DROPPED},
    {"somewhere else", C("\x8b\x07\xc3"), 2, RDI, BLOCK + 8, NONE, NO_SLOT, REAR, 0, 0, DROPPED},
    {"the same, by libc", C("\x8b\x07\xc3"), 2, RDI, END, NONE, NO_SLOT, REAR, 0, 1, DROPPED},
    {"an instruction without memory", C("\x89\xf8\xc3"), 2, RDI, END, NONE, NO_SLOT, REAR, 0, 0, DROPPED},
    {"lea", C("\x48\x8d\x07\xc3"), 3, RDI, END, NONE, NO_SLOT, REAR, 0, 0, DROPPED},
    {"cmpl $7,(%rdi)", C("\x83\x3f\x07\xc3"), 3, RDI, END, NONE, NO_SLOT, REAR, 0, 0, READ, END, 4, 0},
    {"testb $1,(%rdi) only reads", C("\xf6\x07\x01\xc3"), 3, RDI, END, NONE, NO_SLOT, REAR, 0, 0, READ, END, 1, 0},
    {"testb $1,(%rdi), by libc", C("\xf6\x07\x01\xc3"), 3, RDI, END, NONE, NO_SLOT, REAR, 0, 1, DROPPED},
    {"testl $1,(%rdi), across the start", C("\xf7\x07\x01\x00\x00\x00\xc3"), 6, RDI, BLOCK - 2, NONE, NO_SLOT, FRONT, 1, 0, DROPPED},
    {"with a segment", C("\x64\x8b\x07\xc3"), 3, RDI, END, NONE, NO_SLOT, REAR, 0, 0, DROPPED},

    /* Writes. */
    {"movb behind the end", C("\xc6\x07\x05\xc3"), 3, RDI, END, NONE, NO_SLOT, REAR, 1, 0, WRITE, END, 1, 0},
    {"movb of what stood there", C("\xc6\x07\x05\xc3"), 3, RDI, END, NONE, NO_SLOT, REAR, 0, 0, WRITE, END, 1, 0},
    {"movl across the end", C("\xc7\x07\x05\x00\x00\x00\xc3"), 6, RDI, END - 1, NONE, NO_SLOT, REAR, 1, 0, WRITE, END, 3, 0},
    {"movl across the end, nothing changed", C("\xc7\x07\x05\x00\x00\x00\xc3"), 6, RDI, END - 1, NONE, NO_SLOT, REAR, 0, 0, DROPPED},
    {"movl across the start", C("\xc7\x07\x05\x00\x00\x00\xc3"), 6, RDI, BLOCK - 1, NONE, NO_SLOT, FRONT, 1, 0, WRITE, BLOCK - 1, 1, 0},
    {"libc's write", C("\xc6\x07\x05\xc3"), 3, RDI, END, NONE, NO_SLOT, REAR, 1, 1, WRITE, END, 1, 0},
    {"movups store", C("\x0f\x11\x07\xc3"), 3, RDI, END - 9, NONE, NO_SLOT, REAR, 1, 0, WRITE, END, 7, 0},
    {"lock cmpxchg", C("\xf0\x0f\xb1\x0f\xc3"), 4, RDI, END, NONE, NO_SLOT, REAR, 0, 0, WRITE, END, 4, 0},
    {"setg", C("\x0f\x9f\x07\xc3"), 3, RDI, END, NONE, NO_SLOT, REAR, 1, 0, WRITE, END, 1, 0},
    {"roll", C("\xd1\x07\xc3"), 2, RDI, END, NONE, NO_SLOT, REAR, 1, 0, WRITE, END, 4, 0},
    {"push", C("\x50\xc3"), 1, GSP, BLOCK - 8, NONE, NO_SLOT, FRONT, 1, 0, WRITE, BLOCK - 8, 8, 1},
    {"push (%rdi): reads the block, writes the stack", C("\xff\x37\xc3"), 2, GSP, RSP, RDI, BLOCK - 8, NO_SLOT, FRONT, 0, 0, READ,
     BLOCK - 8, 8, 2},

    /* Vectors. */
    {"movups overlapping", C("\x0f\x10\x07\xc3"), 3, RDI, END - 1, NONE, NO_SLOT, REAR, 0, 0, DROPPED},
    {"movups before the block, not aligned", C("\x0f\x10\x07\xc3"), 3, RDI, BLOCK - 17, NONE, NO_SLOT, FRONT, 0, 0, READ, BLOCK - 17, 16, 0},
    {"movdqa before the block, aligned: reads ahead", C("\x66\x0f\x6f\x07\xc3"), 4, RDI, BLOCK - 16, NONE, NO_SLOT, FRONT, 0, 0, DROPPED},
    {"movsd load of a double", C("\xf2\x0f\x10\x07\xc3"), 4, RDI, BLOCK - 8, NONE, NO_SLOT, FRONT, 0, 0, READ, BLOCK - 8, 8, 0},
    {"pmovzxbw: its size is taken for the larger", C("\x66\x0f\x38\x30\x07\xc3"), 5, RDI, BLOCK - 8, NONE, NO_SLOT, FRONT, 0, 0, DROPPED},
    {"gather", C("\xc4\xe2\x7d\x90\x14\x88\xc3"), 6, RAX, END, NONE, NO_SLOT, REAR, 0, 0, DROPPED},
    {"masked", C("\x62\xe1\x7f\xa9\x6f\x07\xc3"), 6, RDI, BLOCK - 40, NONE, NO_SLOT, FRONT, 0, 0, DROPPED},
    {"bit string", C("\x48\x0f\xa3\x07\xc3"), 4, RDI, END, NONE, NO_SLOT, REAR, 0, 0, DROPPED},

    /* The address register is lost. */
    {"movzbl (%rax),%eax, one byte watched", C("\x0f\xb6\x00\xc3"), 3, RAX, 0xf5, NONE, NO_SLOT, REAR, 0, 0, READ, END, 1, 0},
    {"movzbl (%rax),%eax, eight bytes watched", C("\x0f\xb6\x00\xc3"), 3, RAX, 0xf5, NONE, NO_SLOT, FRONT, 0, 0, READ, BLOCK - 1, 0, 0},
    {"mov (%rax),%rax may lie across", C("\x48\x8b\x00\xc3"), 3, RAX, 0, NONE, NO_SLOT, REAR, 0, 0, DROPPED},
    {"add (%rax),%rax may lie across", C("\x48\x03\x00\xc3"), 3, RAX, 0, NONE, NO_SLOT, REAR, 0, 0, DROPPED},
    {"index lost: mov (%rdi,%rcx,4),%ecx", C("\x8b\x0c\x8f\xc3"), 3, RDI, BLOCK, RCX, 0, NO_SLOT, REAR, 0, 0, DROPPED},
    /* mov -8(%rbp),%rax; add $10,%rax; movzbl (%rax),%eax */
    {"traced back", C("\x48\x8b\x45\xf8\x48\x83\xc0\x0a\x0f\xb6\x00\xc3"), 11, RAX, 0xf5, NONE, 8, BLOCK - 5 - 10, FRONT, 0, 0, READ,
     BLOCK - 5, 1, 8},
    /* lea 0(,%rax,4),%rdx; mov -24(%rbp),%rax; add %rdx,%rax; mov (%rax),%eax */
    {"traced back through an array", C("\x48\x8d\x14\x85\x00\x00\x00\x00\x48\x8b\x45\xe8\x48\x01\xd0\x8b\x00\xc3"), 17, RAX, 0, RDX, 8,
     24, END - 8, REAR, 0, 0, READ, END, 4, 15},
    {"traced back, across the end", C("\x48\x8d\x14\x85\x00\x00\x00\x00\x48\x8b\x45\xe8\x48\x01\xd0\x8b\x00\xc3"), 17, RAX, 0, RDX, 8,
     24, END - 9, REAR, 0, 0, DROPPED},
    /* mov -8(%rbp),%rax; movl $1,-8(%rbp); movzbl (%rax),%eax */
    {"the slot was written to since", C("\x48\x8b\x45\xf8\xc7\x45\xf8\x01\x00\x00\x00\x0f\xb6\x00\xc3"), 14, RAX, 0xf5, NONE, 8, BLOCK - 5,
     FRONT, 0, 0, READ, BLOCK - 1, 0, 11},
    {"another slot was", C("\x48\x8b\x45\xf8\xc7\x45\xf0\x01\x00\x00\x00\x0f\xb6\x00\xc3"), 14, RAX, 0xf5, NONE, 8, BLOCK - 5, FRONT, 0, 0,
     READ, BLOCK - 5, 1, 11},
    /* mov -8(%rbp),%rax; 1: movzbl (%rax),%eax; jne 1b */
    {"a jump leads in between", C("\x48\x8b\x45\xf8\x0f\xb6\x00\x75\xfb\xc3"), 7, RAX, 0xf5, NONE, 8, BLOCK - 5, FRONT, 0, 0, READ,
     BLOCK - 1, 0, 4},
    /* call 1f; 1: movzbl (%rax),%eax */
    {"what a call brought is not known", C("\x48\x8b\x45\xf8\xe8\x00\x00\x00\x00\x0f\xb6\x00\xc3"), 12, RAX, 0xf5, NONE, 8, BLOCK - 5, FRONT,
     0, 0, READ, BLOCK - 1, 0, 9},
    {"traced to a value that does not explain the hit", C("\x48\x8b\x45\xf8\x48\x83\xc0\x0a\x0f\xb6\x00\xc3"), 11, RAX, 0xf5, NONE, 8, BLOCK,
     FRONT, 0, 0, DROPPED},
    /* movslq %esi,%rsi; movsbl (%rdi,%rsi),%eax */
    {"base and index", C("\x48\x63\xf6\x0f\xbe\x04\x37\xc3"), 7, RDI, BLOCK, RSI, (uint64_t)-3, NO_SLOT, FRONT, 0, 0, READ, BLOCK - 3, 1, 3},

    /* String instructions: their pointers have moved on. */
    {"rep movsb running, source", C("\xf3\xa4\xc3"), 0, RSI, END + 1, RDI, RSP, NO_SLOT, REAR, 0, 0, READ, END, 1, 0},
    {"rep movsb done, source", C("\xf3\xa4\xc3"), 2, RSI, END + 1, RDI, RSP, NO_SLOT, REAR, 0, 0, READ, END, 1, 0},
    {"rep movsb, destination", C("\xf3\xa4\xc3"), 0, RSI, RSP, RDI, END + 1, NO_SLOT, REAR, 1, 0, WRITE, END, 1, 0},
    {"rep movsb, reported late", C("\xf3\xa4\xc3"), 0, RSI, RSP, RDI, END + 6, NO_SLOT, REAR, 1, 0, WRITE, END, 1, 0},
    {"rep movsb beyond the slot cannot be it", C("\xf3\xa4\xc3"), 2, RSI, RSP, RDI, HIGH + 64, NO_SLOT, REAR, 0, 0, DROPPED},
    {"rep movsq across the end, source", C("\xf3\x48\xa5\xc3"), 3, RSI, END + 7, RDI, RSP, NO_SLOT, REAR, 0, 0, DROPPED},
    {"rep movsq across the end, destination", C("\xf3\x48\xa5\xc3"), 3, RSI, RSP, RDI, END + 7, NO_SLOT, REAR, 1, 0, WRITE, END, 7, 0},
    {"rep stosb", C("\xf3\xaa\xc3"), 0, RDI, END + 1, NONE, NO_SLOT, REAR, 1, 0, WRITE, END, 1, 0},
    {"std; movsb, source", C("\xfd\xa4\xfc\xc3"), 2, RSI, BLOCK - 4, EFL, DOWN, NO_SLOT, FRONT, 0, 0, READ, BLOCK - 3, 1, 1},
    {"cmpsb, the second one", C("\xa6\xc3"), 1, RSI, RSP, RDI, END + 1, NO_SLOT, REAR, 0, 0, READ, END, 1, 0},
};

static void hit_of(const struct row *row, struct wire_hit *hit, struct machine *machine)
{
    memset(machine->stack, 0x11, sizeof machine->stack);
    machine->code = (const uint8_t *)row->code;
    machine->code_bytes = row->code_bytes;
    if (row->slot)
        memcpy(machine->stack + (RBP - STACK) - row->slot, &row->slot_value, 8);
    *hit = (struct wire_hit){
        .pc = CODE + row->pc, .function = CODE, .function_end = CODE + row->code_bytes, .watch = row->watch,
        .watch_bytes = row->watch_bytes, .changed = row->changed, .block = BLOCK, .block_size = SIZE, .low = LOW, .high = HIGH,
        .library = row->library, .n_registers = 23};
    hit->registers[GBP] = RBP;
    hit->registers[GSP] = RSP;
    hit->registers[RIP] = hit->pc;
    if (row->a < GREGS)
        hit->registers[row->a] = row->a_value;
    if (row->b < GREGS)
        hit->registers[row->b] = row->b_value;
}

static void check_rows(void)
{
    static struct machine machine;
    struct hit_memory memory = {read_machine, &machine};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct wire_hit hit;
        struct wire_verdict verdict = {.access = 77};
        hit_of(row, &hit, &machine);
        hit_judge(&hit, &memory, &verdict);
        CHECK(verdict.access == row->access, "%s: access %u, not %u", row->what, verdict.access, (unsigned)row->access);
        if (verdict.access == RECORD_ACCESS_UNKNOWN || row->access == RECORD_ACCESS_UNKNOWN)
            continue;
        CHECK(verdict.address == row->address, "%s: address %#llx, not %#llx", row->what, (unsigned long long)verdict.address,
              (unsigned long long)row->address);
        CHECK(verdict.exact == (row->bytes != 0), "%s: exact %u", row->what, verdict.exact);
        CHECK(!row->bytes || verdict.bytes == row->bytes, "%s: %llu bytes", row->what, (unsigned long long)verdict.bytes);
        CHECK(verdict.pc == CODE + row->guilty, "%s: pc at %#llx", row->what, (unsigned long long)(verdict.pc - CODE));
        /* Without unwind tables nothing is known of the instruction before. */
        hit.function = 0;
        hit_judge(&hit, &memory, &verdict);
        CHECK(verdict.access == RECORD_ACCESS_UNKNOWN || row->pc == row->guilty, "%s: told without knowing the function", row->what);
    }
}

/* What is sent by a process that wishes us ill: no crash, no hang, and no finding that cannot be. */
static void check_nonsense(void)
{
    static struct machine machine;
    struct hit_memory memory = {read_machine, &machine};
    uint64_t random = unit_seed("report_hit");
    for (unsigned i = 0; i < 200000; i++) {
        const struct row *row = &rows[unit_random(&random) % (sizeof rows / sizeof *rows)];
        struct wire_hit hit;
        struct wire_verdict verdict;
        hit_of(row, &hit, &machine);
        for (unsigned k = unit_random(&random) % 4 + 1; k > 0; k--) {
            size_t at = unit_random(&random) % (offsetof(struct wire_hit, registers) / 4 + 46);
            uint32_t word = unit_random(&random) % 3 ? (uint32_t)unit_random(&random) : unit_random(&random) & 1 ? 0 : ~0u;
            memcpy((char *)&hit + 4 * at, &word, 4);
        }
        hit_judge(&hit, &memory, &verdict);
        if (verdict.access != RECORD_ACCESS_UNKNOWN)
            CHECK((verdict.access == READ || verdict.access == WRITE) && verdict.address >= hit.low && verdict.address < hit.high
                  && (verdict.address < hit.block || verdict.address >= hit.block + hit.block_size), "a finding that cannot be");
    }
}

int main(void)
{
    check_rows();
    check_nonsense();
    return unit_result("report_hit");
}
