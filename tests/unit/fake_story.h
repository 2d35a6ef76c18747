/* A made-up process with one of everything in its records: modules, threads, leaks of each kind, findings of every kind. */
#ifndef MIDDEN_TESTS_FAKE_STORY_H
#define MIDDEN_TESTS_FAKE_STORY_H

#include "fake_image.h"

struct fake *fake_story(void);

#endif
