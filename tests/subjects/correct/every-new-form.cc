/* Every form of new with its own delete; placement new in heap memory; sized and aligned delete. */
/* FLAGS: -fsized-deallocation */
#include <new>
#include "subject.h"

struct alignas(128) Wide { char bytes[200]; };
struct Held { long value = 1; ~Held() { value = 0; } };

int main()
{
    int aligned = 1;
    for (int i = 0; i < 100; i++) {
        Wide *wide = new Wide, *wides = new Wide[3];
        aligned &= reinterpret_cast<uintptr_t>(wide) % 128 == 0 && reinterpret_cast<uintptr_t>(wides) % 128 == 0;
        KEEP(wide);
        KEEP(wides);
        delete wide;
        delete[] wides;
        Held *held = new Held, *many = new Held[17], *quiet = new (std::nothrow) Held;
        KEEP(held);
        KEEP(many);
        KEEP(quiet);
        delete held;
        delete[] many;
        ::operator delete(quiet, std::nothrow);
        void *raw = malloc(sizeof(Held) * 2);
        Held *placed = new (raw) Held;
        placed->~Held();
        free(raw);
        void *direct = ::operator new(33);
        ::operator delete(direct, size_t{33});
        void *over = ::operator new(100, std::align_val_t{4096});
        aligned &= reinterpret_cast<uintptr_t>(over) % 4096 == 0;
        ::operator delete(over, size_t{100}, std::align_val_t{4096});
        delete static_cast<Held *>(nullptr);
    }
    printf("%d\n", aligned);
}
