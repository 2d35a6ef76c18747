/* Names of functions, reduced to what identifies them in the source.
 *
 *   1. What compilers append is cut off: " [clone …]", ".isra.0", ".cold", ".123" (nested C functions), "@@VERSION", Rust's hash.
 *   2. One pass copies the rest, passing over balanced <…> and (…), and qualifiers behind the latter (const, &). Kept whole are (anonymous namespace), the names of operators,
 *      and braces without their numbers and parameters: {lambda(int)#2} → {lambda}. clang's $_7 becomes $_.
 *   3. The return type in front goes: what is left stands after the last space. A space that is part
 *      of an operator's name (operator new, operator unsigned int) does not count.
 *
 *   4. What is the body of a lambda is called {lambda}, wherever it stands.
 *
 * Limits: a function that returns a pointer to a function is cut short (the same in every build, though). */
#include "stable_name.h"

#include <string.h>

struct writer {
    char *out;
    size_t n, room;
};

static void put(struct writer *writer, const char *text, size_t n)
{
    for (size_t i = 0; i < n && writer->n + 1 < writer->room; i++)
        writer->out[writer->n++] = text[i];
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

/* Length of the name without what stands behind it. */
static size_t without_suffix(const char *name)
{
    static const char *const added[] = {" [clone", ".constprop.", ".isra.", ".part.", ".cold", ".lto_priv.", ".llvm.", ".localalias",
                                        ".__uniq.", "@"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof added / sizeof *added; i++) {
        const char *at = strstr(name, added[i]);
        if (at && at != name && (size_t)(at - name) < n)
            n = (size_t)(at - name);
    }
    size_t digits = n;
    while (digits && name[digits - 1] >= '0' && name[digits - 1] <= '9')
        digits--;
    if (digits > 1 && digits < n && name[digits - 1] == '.')
        n = digits - 1;
    if (n > 19 && strncmp(name + n - 19, "::h", 3) == 0 && strspn(name + n - 16, "0123456789abcdef") >= 16)
        n -= 19;        /* Rust: ::h and 16 digits */
    return n;
}

/* Past the bracket that closes the one at `at`; `end` if none does. */
static const char *past_bracket(const char *at, const char *end)
{
    char closing[64];
    size_t depth = 0;
    for (; at < end; at++) {
        char close = *at == '(' ? ')' : *at == '<' ? '>' : *at == '{' ? '}' : *at == '[' ? ']' : 0;
        if (*at == '-' && at + 1 < end && at[1] == '>') {
            at++;       /* an arrow closes nothing */
        } else if (close) {
            if (depth == sizeof closing)
                return end;
            closing[depth++] = close;
        } else if (*at == ')' || *at == '>' || *at == '}' || *at == ']') {
            if (*at == '>' && depth && closing[depth - 1] == ')')
                continue;       /* a comparison in parentheses */
            while (depth && closing[depth - 1] != *at)
                depth--;        /* an unclosed < was one, too */
            if (depth)
                depth--;
            if (!depth)
                return at + 1;
        }
    }
    return end;
}

/* Copies the operator's name at `at`, "operator" included. Returns where it ends. */
static const char *put_operator(struct writer *writer, const char *at, const char *end)
{
    const char *from = at;
    at += strlen("operator");
    if (end - at >= 2 && (starts_with(at, "()") || starts_with(at, "[]")))
        at += 2;
    else if (at < end && *at == ' ')    /* new, delete, or a type */
        while (at < end && *at != '(' && *at != '<')
            at++;
    else
        while (at < end && strchr("<>=!+-*/%^&|~,", *at))
            at++;
    put(writer, from, (size_t)(at - from));
    if (end - at >= 2 && starts_with(at, "[]")) {       /* operator new[] */
        put(writer, at, 2);
        at += 2;
    }
    return at;
}

/* {lambda(int)#2} without parameters and number. */
static const char *put_braces(struct writer *writer, const char *at, const char *end)
{
    const char *past = past_bracket(at, end);
    size_t n = strcspn(at, "(#}");
    for (size_t i = 0; i < n && at + i < past; i++)
        put(writer, at[i] == ' ' ? "_" : at + i, 1);    /* {unnamed type#1}: a space would end the return type */
    put(writer, "}", 1);
    return past;
}

/* Past " const", " &" and their like behind a list of parameters. */
static const char *past_qualifiers(const char *at)
{
    static const char *const qualifiers[] = {" const", " volatile", " &&", " &"};
    for (size_t i = 0; i < sizeof qualifiers / sizeof *qualifiers;) {
        size_t n = strlen(qualifiers[i]);
        if (strncmp(at, qualifiers[i], n) == 0 && !is_word(at[n])) {
            at += n;
            i = 0;
        } else {
            i++;
        }
    }
    return at;
}

/* A lambda's body is told as main::{lambda}::operator() by gcc, main::$_::operator() by clang and, inlined, as operator() alone: all
 * become {lambda}. */
static size_t whole_lambda(char *out, size_t n, size_t room)
{
    static const char *const ends[] = {"{lambda}::operator()", "$_::operator()", "{lambda}::_FUN", "$_::__invoke"};
    bool lambda = strcmp(out, "operator()") == 0;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t length = strlen(ends[i]);
        lambda |= n >= length && strcmp(out + n - length, ends[i]) == 0;
    }
    if (!lambda || room < sizeof "{lambda}")
        return n;
    memcpy(out, "{lambda}", sizeof "{lambda}");
    return strlen("{lambda}");
}

size_t stable_name(const char *name, char *out, size_t room)
{
    static const char anonymous[] = "(anonymous namespace)";
    struct writer writer = {out, 0, room};
    const char *at = name, *end = name + without_suffix(name);
    size_t operator_at = (size_t)-1;
    while (at < end) {
        bool begins = at == name || !is_word(at[-1]);
        if (starts_with(at, anonymous)) {
            put(&writer, "(anonymous)", 11);
            at += strlen(anonymous);
        } else if (begins && starts_with(at, "operator") && !is_word(at[8])) {
            operator_at = writer.n;
            at = put_operator(&writer, at, end);
        } else if (starts_with(at, "<lambda")) {        /* gcc's name for it in debug information */
            put(&writer, "{lambda}", 8);
            at = past_bracket(at, end);
        } else if (*at == '{') {
            at = put_braces(&writer, at, end);
        } else if (*at == '<') {
            at = past_bracket(at, end);
        } else if (*at == '(') {
            at = past_qualifiers(past_bracket(at, end));
        } else if (starts_with(at, "$_")) {
            put(&writer, "$_", 2);
            at += 2;
            while (at < end && *at >= '0' && *at <= '9')
                at++;
        } else {
            put(&writer, at++, 1);
        }
    }
    while (writer.n && out[writer.n - 1] == ' ')
        writer.n--;
    size_t start = 0;
    for (size_t i = 0; i < writer.n && i < operator_at; i++)
        if (out[i] == ' ')
            start = i + 1;
    writer.n -= start;
    memmove(out, out + start, writer.n);
    out[writer.n] = '\0';
    return whole_lambda(out, writer.n, room);
}

bool stable_name_is_library(const char *name)
{
    return starts_with(name, "std::") || starts_with(name, "__gnu_cxx::") || starts_with(name, "__cxxabiv1::")
        || starts_with(name, "operator new") || starts_with(name, "operator delete");
}
