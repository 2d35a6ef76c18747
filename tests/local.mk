
# Unit tests of src/base and src/trace: C programs linked with the engine.
unit_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
base_tests = tests/unit/base_print tests/unit/base_bytes tests/unit/base_lock tests/unit/base_memory
check_PROGRAMS += $(base_tests)
TESTS += $(base_tests)
EXTRA_DIST += tests/unit/unit.h
tests_unit_base_print_CPPFLAGS = $(unit_cppflags)
tests_unit_base_print_LDADD = libengine.la
tests_unit_base_bytes_CPPFLAGS = $(unit_cppflags)
tests_unit_base_bytes_LDADD = libengine.la
tests_unit_base_lock_CPPFLAGS = $(unit_cppflags)
tests_unit_base_lock_LDADD = libengine.la -lpthread
tests_unit_base_memory_CPPFLAGS = $(unit_cppflags)
tests_unit_base_memory_LDADD = libengine.la -lpthread
