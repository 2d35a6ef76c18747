/* `midden report IMAGE`: everything that an exit report tells, of any image. */
#include "judged.h"

int command_report(int argc, char **argv, struct settings *settings)
{
    struct arguments arguments;
    (void)settings;
    int status = arguments_read(&arguments, COMMAND_report, argc, argv, 1, 1);
    if (status < 0)
        status = judged_show(&arguments, "report", RENDER_ALL);
    arguments_free(&arguments);
    return status;
}
