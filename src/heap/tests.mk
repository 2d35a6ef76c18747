# The heap's own tests; see tests/unit/heap_*.c.
heap_tests = tests/unit/heap_watermark tests/unit/heap_buddy tests/unit/heap_freelist tests/unit/heap_pages tests/unit/heap_slab \
	tests/unit/heap_model tests/unit/heap_threads tests/unit/heap_freestanding tests/unit/heap_symbols.sh
check_PROGRAMS += tests/unit/heap_watermark tests/unit/heap_buddy tests/unit/heap_freelist tests/unit/heap_pages tests/unit/heap_slab \
	tests/unit/heap_model tests/unit/heap_threads tests/unit/heap_freestanding tests/unit/heap_speed
TESTS += $(heap_tests)
EXTRA_DIST += tests/unit/heap_port.h tests/unit/heap_symbols.sh

# With the library's flags, without the rest of the engine: what the tests use is all there is.
check_LTLIBRARIES += libheap.la
libheap_la_SOURCES = $(heap_sources)
libheap_la_CFLAGS = $(plain_cflags)
heap_ldadd = libheap.la -lpthread
tests_unit_heap_watermark_CPPFLAGS = $(unit_cppflags)
tests_unit_heap_watermark_LDADD = $(heap_ldadd)
tests_unit_heap_buddy_CPPFLAGS = $(unit_cppflags)
tests_unit_heap_buddy_LDADD = $(heap_ldadd)
tests_unit_heap_freelist_CPPFLAGS = $(unit_cppflags)
tests_unit_heap_freelist_LDADD = $(heap_ldadd)
tests_unit_heap_pages_CPPFLAGS = $(unit_cppflags)
tests_unit_heap_pages_LDADD = $(heap_ldadd)
tests_unit_heap_slab_CPPFLAGS = $(unit_cppflags)
tests_unit_heap_slab_LDADD = $(heap_ldadd)
tests_unit_heap_model_CPPFLAGS = $(unit_cppflags)
tests_unit_heap_model_LDADD = $(heap_ldadd)
tests_unit_heap_threads_CPPFLAGS = $(unit_cppflags)
tests_unit_heap_threads_LDADD = $(heap_ldadd)

# Measures, never fails: tests/unit/heap_speed [BLOCKS].
tests_unit_heap_speed_CPPFLAGS = $(unit_cppflags)
tests_unit_heap_speed_LDADD = $(heap_ldadd)

# The heap carried elsewhere: no C library, no start-up files.
tests_unit_heap_freestanding_SOURCES = tests/unit/heap_freestanding.c $(heap_sources)
tests_unit_heap_freestanding_CFLAGS = $(AM_CFLAGS) -ffreestanding -fno-stack-protector -fno-pie
tests_unit_heap_freestanding_LDFLAGS = -no-pie -nostdlib
tests_unit_heap_freestanding_LDADD =
