engine_sources += \
	src/format/allocators.def src/format/kinds.def src/format/options.def \
	src/format/record.h src/format/wire.h src/format/site.h src/format/options.h src/format/options.c
engine_sources += \
	src/base/anchor.h src/base/kernel.h src/base/lock.h src/base/memory.h src/base/print.h src/base/table.h \
	src/base/anchor.c src/base/bytes.c src/base/kernel.c src/base/lock.c src/base/memory.c src/base/print.c src/base/table.c
