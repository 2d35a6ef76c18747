/* Static objects of several kinds print and free in their destructors, after main, in the order of construction reversed. */
#include <iostream>
#include <map>
#include <string>
#include "subject.h"

struct Speaker {
    std::string name;
    std::map<int, std::string> notes;
    explicit Speaker(const char *n) : name(n) { for (int i = 0; i < 20; i++) notes[i] = std::string(size_t(i) * 7, 'n'); }
    ~Speaker() { std::cout << name << ' ' << notes.size() << std::endl; }
};

static Speaker first("first"), second("second");
static Speaker &lazy() { static Speaker speaker("lazy"); return speaker; }
static std::string *never_deleted = new std::string(300, 'k');

int main()
{
    atexit([] { std::cout << "atexit" << std::endl; });
    std::cout << lazy().name << never_deleted->size() << std::endl;
}
