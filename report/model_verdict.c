/* What of a report gates.
 *
 * Errors of severity error gate where --fail-on names errors; leak records whose kind it names gate if, in all, they are more than
 * --max-leaked allows. What is suppressed or known from a baseline counts for neither. */
#include <stdlib.h>

#include "model.h"

size_t model_gating_errors(const struct model *model)
{
    size_t n = 0;
    for (size_t i = 0; i < model->n_errors; i++)
        n += model->errors[i].severity == RECORD_SEVERITY_ERROR && !model->errors[i].suppressed && !model->errors[i].baseline;
    return n;
}

size_t model_known(const struct model *model)
{
    size_t n = 0;
    for (size_t i = 0; i < model->n_errors; i++)
        n += model->errors[i].severity == RECORD_SEVERITY_ERROR && !model->errors[i].suppressed && model->errors[i].baseline;
    for (size_t i = 0; i < model->n_leak_records; i++)
        n += model->leak_records[i].gates && !model->leak_records[i].suppressed && model->leak_records[i].baseline;
    return n;
}

static bool counts(const struct model_leak *leak)
{
    return leak->gates && !leak->suppressed && !leak->baseline;
}

uint64_t model_counted_bytes(const struct model *model)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < model->n_leak_records; i++)
        bytes += counts(&model->leak_records[i]) ? model->leak_records[i].raw.bytes : 0;
    return bytes;
}

size_t model_gating_leaks(const struct model *model)
{
    size_t n = 0;
    for (size_t i = 0; i < model->n_leak_records; i++)
        n += counts(&model->leak_records[i]);
    return model->options.max_leaked && model_counted_bytes(model) <= model->options.max_leaked ? 0 : n;
}

void model_judge(struct model *model)
{
    model->gating = ((model->options.fail_on & 1) && model_gating_errors(model)) || model_gating_leaks(model);
    model->n_suppressed_errors = 0;
    model->suppressed_leaks = model->leaks ? model->leaks->excused : (struct leak_total){0, 0};
    for (size_t i = 0; i < model->n_errors; i++)
        model->n_suppressed_errors += model->errors[i].suppressed;
    for (size_t i = 0; i < model->n_leak_records; i++) {
        if (!model->leak_records[i].suppressed)
            continue;
        model->suppressed_leaks.bytes += model->leak_records[i].raw.bytes;
        model->suppressed_leaks.blocks += model->leak_records[i].raw.blocks;
    }
    model->exitcode = model->exit == MODEL_EXIT_SIGNAL ? 128 + model->exit_value
                    : model->gating && model->options.error_exitcode ? model->options.error_exitcode
                    : model->exit == MODEL_EXIT_CODE ? model->exit_value : 0;
}

void model_suppress_known(struct model *model)
{
    for (size_t i = 0; i < model->n_errors; i++)
        model->errors[i].suppressed |= model->errors[i].baseline;
    for (size_t i = 0; i < model->n_leak_records; i++) {
        struct model_leak *leak = &model->leak_records[i];
        if (!leak->baseline || leak->suppressed)
            continue;
        leak->suppressed = true;
        model->leaks->totals[leak->raw.kind].bytes -= leak->raw.bytes;
        model->leaks->totals[leak->raw.kind].blocks -= leak->raw.blocks;
    }
    model_judge(model);
}

/* ---- rules ---- */

static struct model_rule_use *use_of(struct model_rule_use *uses, size_t *n, const struct model_rule *rule)
{
    for (size_t i = 0; i < *n; i++)
        if (uses[i].rule == rule)
            return &uses[i];
    uses[*n] = (struct model_rule_use){.rule = rule};
    return &uses[(*n)++];
}

size_t model_rules_used(const struct model *model, struct model_rule_use **uses)
{
    size_t n = 0;
    *uses = memory_new(model->n_errors + model->n_leak_records + 1, sizeof **uses);
    for (size_t i = 0; i < model->n_errors; i++)
        if (model->errors[i].rule)
            use_of(*uses, &n, model->errors[i].rule)->findings++;
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        if (!leak->rule)
            continue;
        struct model_rule_use *use = use_of(*uses, &n, leak->rule);
        use->findings++;
        use->bytes += leak->raw.bytes + (leak->excuses ? leak->raw.indirect_bytes : 0);
        use->blocks += leak->raw.blocks + (leak->excuses ? leak->raw.indirect_blocks : 0);
    }
    return n;
}
