engine_sources += \
	src/format/allocators.def src/format/kinds.def src/format/options.def \
	src/format/record.h src/format/wire.h src/format/site.h src/format/options.h src/format/options.c
