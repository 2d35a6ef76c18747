/* The table of registered roots (engine_root_add and engine_root_remove in engine.h). */
#ifndef MIDDEN_ENGINE_ROOTS_H
#define MIDDEN_ENGINE_ROOTS_H

void roots_fork_child(void);

#endif
