/* Values of keys that were set to nothing again, in the thread's descriptor and beyond. */
#include <pthread.h>
#include "subject.h"

static pthread_key_t keys[60];

static NOINLINE void lose(int key)
{
    pthread_setspecific(keys[key], malloc(30)); /* LEAK: definite 60 bytes 2 blocks */ /* LEAK: reachable 512 bytes 1 block */ /* libc's, of the late key */
    pthread_setspecific(keys[key], NULL);
}

int main(void)
{
    for (int i = 0; i < 60; i++)
        pthread_key_create(&keys[i], NULL);
    lose(3);
    lose(50);
    scrub();
    return 0;
}
