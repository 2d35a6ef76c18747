/* `midden findings IMAGE`: the mistakes found so far, as an exit report tells them. */
#include "judged.h"

int command_findings(int argc, char **argv, struct settings *settings)
{
    struct arguments arguments;
    (void)settings;
    int status = arguments_read(&arguments, COMMAND_findings, argc, argv, 1, 1);
    if (status < 0)
        status = judged_show(&arguments, "findings", RENDER_ERRORS);
    arguments_free(&arguments);
    return status;
}
