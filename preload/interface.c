/* What midden.h offers to programs. */
#include "midden.h"

#include "engine.h"
#include "export.h"

EXPORT int midden_leak_check(void)
{
    return engine_leak_check();
}
