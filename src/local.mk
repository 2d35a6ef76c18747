engine_sources += \
	src/format/allocators.def src/format/kinds.def src/format/options.def \
	src/format/record.h src/format/wire.h src/format/site.h src/format/witness.h src/format/options.h src/format/options.c
engine_sources += \
	src/base/anchor.h src/base/plain.h src/base/kernel.h src/base/lock.h src/base/memory.h src/base/index.h src/base/print.h src/base/sandbox.h src/base/table.h \
	src/base/anchor.c src/base/bytes.c src/base/index.c src/base/kernel.c src/base/lock.c src/base/memory.c src/base/print.c src/base/sandbox.c src/base/table.c
engine_sources += \
	src/engine.h \
	src/engine/state.h src/engine/start.c src/engine/blocks.c src/engine/held.h src/engine/publish.h src/engine/alloc.c src/engine/resize.c src/engine/free.c src/engine/deferred.c src/engine/objects.h src/engine/objects.c src/engine/marks.c \
	src/engine/report.c src/engine/checked.c src/engine/process.c src/engine/end.h src/engine/end.c src/engine/endings.c src/engine/roots.h src/engine/roots.c src/engine/signals.h src/engine/signals.c \
	src/config/config.h src/config/config.c \
	src/check/guard.h src/check/zones.h src/check/guard.c src/check/quarantine.h src/check/quarantine.c src/check/queue.h src/check/queue.c src/check/sites.h src/check/sites.c \
	src/check/range.h src/check/range.c src/check/finding.h src/check/finding.c src/check/fault.h src/check/fault.c src/check/pageguard.h src/check/pageguard.c \
	src/check/allowance.h src/check/allowance.c src/check/watch.h src/check/watch.c src/engine/watched.c src/engine/step.c \
	src/snapshot/agent.h src/snapshot/agent.c src/snapshot/spawn.h src/snapshot/spawn.c \
	src/snapshot/freeze.h src/snapshot/freeze.c src/snapshot/frozen.c src/snapshot/request.h src/snapshot/request.c \
	src/engine/snapshot.h src/engine/snapshot.c src/engine/periodic.c src/engine/dump.c \
	src/snapshot/fallback.h src/snapshot/fallback.c src/snapshot/park.h src/snapshot/park.c src/snapshot/sigframe.h src/snapshot/sigframe.c src/snapshot/sigframe_stack.c
