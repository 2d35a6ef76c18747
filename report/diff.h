/* What changed between images of one program: per site, the blocks and bytes in each of them. */
#ifndef MIDDEN_REPORT_DIFF_H
#define MIDDEN_REPORT_DIFF_H

#include "key_index.h"
#include "opened.h"
#include "stack_facts.h"

struct diff_sum {
    uint64_t bytes, blocks;
};

struct diff_site {
    uint64_t site;
    struct diff_sum *at;        /* [n_images]: living blocks */
    struct diff_sum *lost;      /* [n_images]: of them definitely, indirectly or possibly lost; only the first and last are filled in */
    struct diff_sum appeared, gone, resized;    /* from the first image to the last; resized: bytes more, in blocks that are there in both */
    unsigned example_image;     /* the last image that has it, and a stack of it there */
    uint32_t example_stack;
    uint8_t example_call;
    unsigned grown_steps, shrunk_steps;     /* from image to image, by bytes */
};

struct diff {
    struct opened *images;
    struct stack_facts *facts;  /* [n_images] */
    size_t n_images;
    bool same_process;          /* all are of one program image of one process: blocks can be told apart */
    double hours;               /* from the first to the last; 0: not known */
    struct diff_site *sites;
    size_t n_sites, room;
    struct key_index numbers;   /* of sites, in sites[] */
    struct arena arena;
    struct diff_sum *totals;    /* [n_images] */
};

/* The images are open, in the order of time. They and symbols must outlive the diff. false: a leak check could not be made; said. */
bool diff_make(struct diff *diff, struct opened *images, size_t n, struct symbols *symbols);
void diff_free(struct diff *diff);

/* Bytes more in the last image than in the first. */
static inline int64_t diff_growth(const struct diff *diff, const struct diff_site *site)
{
    return (int64_t)(site->at[diff->n_images - 1].bytes - site->at[0].bytes);
}

/* Never shrank from image to image, and is larger at the end. */
static inline bool diff_only_grows(const struct diff *diff, const struct diff_site *site)
{
    return !site->shrunk_steps && diff_growth(diff, site) > 0;
}

/* More is lost of it in the last image than in the first. */
static inline bool diff_leaks_more(const struct diff *diff, const struct diff_site *site)
{
    return site->lost[diff->n_images - 1].blocks > site->lost[0].blocks || site->lost[diff->n_images - 1].bytes > site->lost[0].bytes;
}

/* The best guess at what will go on growing first: with three images and more those that only ever grow, then by growth. */
void diff_rank(struct diff *diff);

#endif
