
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

# The behaviour of whole programs: pytest (see tests/conftest.py), with the programs it builds and runs.
EXTRA_DIST += tests/subjects tests/annotations.py tests/conftest.py tests/harness.py tests/memcheck.py tests/schema.py \
	tests/test_attack.py tests/test_bad_input.py tests/test_correct.py tests/test_errors.py tests/test_leaks_annotated.py \
	tests/test_leaks_memcheck.py tests/test_oracles.py tests/test_real_programs.py
# Those of the command itself: usage, transparency, signals, the agent's protocol.
EXTRA_DIST += tests/run_tool.py tests/test_run_agent.py tests/test_run_signals.py tests/test_run_transparent.py tests/test_run_usage.py
