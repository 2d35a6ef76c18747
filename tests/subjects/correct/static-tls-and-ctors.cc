/* Memory taken in constructors of static objects in several phases, before main, with priorities; freed after main. */
#include <memory>
#include <string>
#include <unordered_map>
#include "subject.h"

struct Registry {
    std::unordered_map<std::string, std::unique_ptr<int>> entries;
    void add(const char *name) { entries.emplace(std::string(name) + std::string(40, '.'), new int(1)); }
};
static Registry &registry() { static Registry *one = new Registry; return *one; }

struct Entry { explicit Entry(const char *name) { registry().add(name); } };
__attribute__((init_priority(200))) static Entry a("a");
__attribute__((init_priority(1000))) static Entry b("b");
static Entry c("c");
static thread_local std::string text(200, 't');

int main()
{
    printf("%zu %zu\n", registry().entries.size(), text.size());
}
