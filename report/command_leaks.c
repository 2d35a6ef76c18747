/* `midden leaks IMAGE`: the leak check alone. */
#include "judged.h"

int command_leaks(int argc, char **argv, struct settings *settings)
{
    struct arguments arguments;
    (void)settings;
    int status = arguments_read(&arguments, COMMAND_leaks, argc, argv, 1, 1);
    if (status < 0)
        status = judged_show(&arguments, "leak check", RENDER_LEAKS);
    arguments_free(&arguments);
    return status;
}
