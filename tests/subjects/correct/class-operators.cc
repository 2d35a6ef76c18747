/* A class with its own operator new that takes objects from a slab of its own. */
#include "subject.h"

struct Small {
    long value[2];
    static Small *free_list;
    static char *slab;
    static void *operator new(size_t)
    {
        if (!free_list) {
            slab = new char[64 * sizeof(Small)];
            for (int i = 0; i < 64; i++) {
                Small *object = reinterpret_cast<Small *>(slab) + i;
                *reinterpret_cast<Small **>(object) = free_list;
                free_list = object;
            }
        }
        void *object = free_list;
        free_list = *static_cast<Small **>(object);
        return object;
    }
    static void operator delete(void *object)
    {
        *static_cast<Small **>(object) = free_list;
        free_list = static_cast<Small *>(object);
    }
};
Small *Small::free_list;
char *Small::slab;

int main()
{
    Small *objects[60];
    for (int round = 0; round < 10; round++) {
        for (auto &object : objects)
            object = new Small{{round, 1}};
        for (auto object : objects)
            delete object;
    }
    printf("%d\n", Small::slab != nullptr);
    delete[] Small::slab;
}
