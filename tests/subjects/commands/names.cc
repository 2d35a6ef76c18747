/* Names as C++ makes them: namespaces, templates, static members, tags of the ABI. */
#include <map>
#include <string>
#include <vector>
#include <unistd.h>

namespace app {

struct Node {
    int number[20];
};
std::map<std::string, Node *> registry;
namespace {
Node *hidden;
}
static Node *single;

template <class T> T *make(int number)
{
    T *made = new T();
    made->number[0] = number;
    return made;
}

struct Cache {
    static Node *last;
    void fill()
    {
        for (int i = 0; i < 5; i++)
            registry["a key that is too long to be kept inside " + std::to_string(i)] = make<Node>(i);
        last = make<Node>(5);
        single = make<Node>(6);
        hidden = new Node();
    }
};
Node *Cache::last;

}

int main()
{
    char byte;
    app::Cache cache;
    cache.fill();
    app::hidden->number[1] = app::single->number[0];
    if (write(1, "ready\n", 6) != 6)
        return 3;
    return read(0, &byte, 1) < 0;
}
