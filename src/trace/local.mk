engine_sources += \
	src/trace/capture.h src/trace/depot.h src/trace/elf.h src/trace/modules.h src/trace/threads.h \
	src/trace/depot.c src/trace/elf.c src/trace/modules.c src/trace/threads.c
