/* A name is copied into an array on the stack of the caller, across the caller's return address. */
/* FLAGS: -fno-builtin -fno-stack-protector */
#include "subject.h"

static NOINLINE void copy_name(char *to, const char *name)
{
    strcpy(to, name); /* BUG: stack-buffer-overflow write */
    exit(0);
}

static NOINLINE void greet(const char *name)
{
    char own[16];
    copy_name(own, name);
    KEEP_OBJECT(own);
}

int main(void)
{
    static char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    greet(name);
    return 0;
}
