/* Uses what a library chose when it was relocated. */
#include <dlfcn.h>
#include <stdio.h>

int chosen(void);

int main(void)
{
    const char *error = dlerror();
    printf("%d %s\n", chosen(), error ? error : "no error");
    return 0;
}
