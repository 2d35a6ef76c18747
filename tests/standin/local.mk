# The interposers on the stand-in engine: libmidden-standin.so, preloaded by tests/test_preload_*.py.
check_LTLIBRARIES += libmidden-standin.la
libmidden_standin_la_SOURCES = tests/standin/standin.h tests/standin/standin.c \
	src/base/anchor.c src/base/bytes.c src/base/kernel.c src/base/lock.c src/base/memory.c src/base/print.c src/base/sandbox.c src/base/table.c src/trace/defined.c
libmidden_standin_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/standin
libmidden_standin_la_CFLAGS = $(engine_cflags)
libmidden_standin_la_LIBADD = libpreload.la
libmidden_standin_la_LDFLAGS = $(libmidden_la_LDFLAGS) -rpath /nowhere

EXTRA_DIST += tests/preload_kit.py tests/test_preload_children.py tests/test_preload_end.py tests/test_preload_heap.py \
	tests/test_preload_library.py tests/test_preload_threads.py
