engine_sources += \
	src/trace/capture.h src/trace/cfi.h src/trace/defined.h src/trace/depot.h src/trace/ehframe.h src/trace/elf.h src/trace/memo.h src/trace/modules.h \
	src/trace/retrace.h src/trace/rules.h src/trace/stack.h src/trace/threads.h src/trace/unwind.h src/trace/walk.h \
	src/trace/capture.c src/trace/cfi.c src/trace/defined.c src/trace/depot.c src/trace/ehframe.c src/trace/elf.c src/trace/memo.c src/trace/modules.c \
	src/trace/retrace.c src/trace/rules.c src/trace/stack.c src/trace/threads.c src/trace/unwind.c src/trace/walk.c
