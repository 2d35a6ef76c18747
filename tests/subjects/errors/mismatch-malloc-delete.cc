/* Memory from malloc is given to delete. */
/* FLAGS: -Wno-mismatched-new-delete */
#include "subject.h"

int main()
{
    auto *block = static_cast<int *>(malloc(sizeof(int))); /* ALLOC */
    KEEP(block);
    delete block; /* BUG: alloc-dealloc-mismatch free offset=0 */
    __asm__ volatile("");
}
