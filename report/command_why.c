/* `midden why IMAGE ADDRESS`: what an address is, and if it is a block, its story and what keeps it. */
#include "say.h"
#include "why.h"

static int answer(struct why *why, const struct arguments *arguments)
{
    struct sheet sheet;
    uint64_t address;
    if (!why_resolve(why, arguments->operands[1], &address))
        return STATUS_USAGE;
    why_find(why, address, arguments->meaning[ARGUMENT_POINTERS]);
    if (!sheet_begin(&sheet, arguments))
        return STATUS_FAILED;
    if (sheet.text)
        why_text(why, &sheet);
    if (sheet.json)
        why_json(why, sheet.json);
    return sheet_end(&sheet, STATUS_DONE);
}

int command_why(int argc, char **argv, struct settings *settings)
{
    struct arguments arguments;
    struct opened opened;
    (void)settings;
    int status = arguments_read(&arguments, COMMAND_why, argc, argv, 2, 2);
    if (status >= 0)
        goto done;
    struct symbols *symbols = symbols_open();
    status = STATUS_UNUSABLE;
    if (opened_open(&opened, &arguments, symbols, arguments.operands[0])) {
        struct image_places places = opened_places(&arguments);
        struct why why = {.opened = &opened, .compass = {opened.records, symbols, unwinder_open(opened.records, &places)}};
        stack_facts_open(&why.facts, opened.records, symbols);
        status = answer(&why, &arguments);
        why_free(&why);
        stack_facts_close(&why.facts);
        unwinder_close(why.compass.unwinder);
        opened_close(&opened);
    }
    symbols_close(symbols);
done:
    arguments_free(&arguments);
    return status;
}
