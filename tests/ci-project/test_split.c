#include "words.h"

int main(void)
{
    struct words *words = words_split("the quick brown fox");
    int good = words->n == 4;
    words_free(words);
    return !good;
}
