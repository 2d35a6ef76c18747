
# Unit tests of src/base and src/trace: C programs linked with the engine.
unit_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
base_tests = tests/unit/base_print tests/unit/base_bytes tests/unit/base_lock tests/unit/base_memory tests/unit/base_index tests/unit/base_sandbox
check_PROGRAMS += $(base_tests)
TESTS += $(base_tests)
EXTRA_DIST += tests/unit/unit.h
tests_unit_base_print_CPPFLAGS = $(unit_cppflags)
tests_unit_base_print_LDADD = libengine.la
tests_unit_base_bytes_CPPFLAGS = $(unit_cppflags)
tests_unit_base_bytes_LDADD = libengine.la
tests_unit_base_lock_CPPFLAGS = $(unit_cppflags)
tests_unit_base_lock_LDADD = libengine.la -lpthread
tests_unit_base_index_CPPFLAGS = $(unit_cppflags)
tests_unit_base_index_LDADD = libengine.la
tests_unit_base_sandbox_CPPFLAGS = $(unit_cppflags)
tests_unit_base_sandbox_LDADD = libengine.la
tests_unit_base_memory_CPPFLAGS = $(unit_cppflags)
tests_unit_base_memory_LDADD = libengine.la -lpthread

# The cross-check of captures against libunwind: code of many shapes, optimised and without frame pointers, a plugin in two
# builds, and the checker with its hooks, which have frame pointers as the interposers do.
trace_tests = tests/unit/trace_capture tests/unit/trace_speed tests/unit/trace_threads tests/unit/trace_depot tests/unit/trace_memo tests/unit/snapshot_park
check_PROGRAMS += $(trace_tests)
TESTS += $(trace_tests)
EXTRA_DIST += tests/unit/trace_subjects.h tests/unit/trace_oracle.h
check_LTLIBRARIES += tests/unit/libtrace_subjects.la tests/unit/trace_plugin_a.la tests/unit/trace_plugin_b.la
shape_flags = -O2 -fomit-frame-pointer -fexceptions
tests_unit_libtrace_subjects_la_SOURCES = tests/unit/trace_subjects.c tests/unit/trace_throw.cc
tests_unit_libtrace_subjects_la_CFLAGS = $(AM_CFLAGS) $(shape_flags)
tests_unit_libtrace_subjects_la_CXXFLAGS = $(AM_CXXFLAGS) $(shape_flags)
plugin_ldflags = -module -avoid-version -shared -rpath /nowhere -Wl,-z,lazy
tests_unit_trace_plugin_a_la_SOURCES = tests/unit/trace_plugin.c
tests_unit_trace_plugin_a_la_CFLAGS = $(AM_CFLAGS) $(shape_flags) -DFRAME=24
tests_unit_trace_plugin_a_la_LDFLAGS = $(plugin_ldflags)
tests_unit_trace_plugin_b_la_SOURCES = tests/unit/trace_plugin.c
tests_unit_trace_plugin_b_la_CFLAGS = $(AM_CFLAGS) $(shape_flags) -DFRAME=520
tests_unit_trace_plugin_b_la_LDFLAGS = $(plugin_ldflags)
tests_unit_trace_capture_SOURCES = tests/unit/trace_capture.c
nodist_EXTRA_tests_unit_trace_capture_SOURCES = link.cc
tests_unit_trace_capture_CPPFLAGS = $(unit_cppflags) \
	-DPLUGIN_A='"$(abs_builddir)/tests/unit/.libs/trace_plugin_a.so"' -DPLUGIN_B='"$(abs_builddir)/tests/unit/.libs/trace_plugin_b.so"'
tests_unit_trace_capture_CFLAGS = $(AM_CFLAGS) -O2 -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -fexceptions
tests_unit_trace_capture_LDADD = tests/unit/libtrace_subjects.la libengine.la -lpthread -ldl
TESTS += tests/unit/trace_programs.sh
dist_check_SCRIPTS = tests/unit/trace_programs.sh
check_LTLIBRARIES += tests/unit/trace_preload.la
tests_unit_trace_preload_la_SOURCES = tests/unit/trace_preload.c
tests_unit_trace_preload_la_CPPFLAGS = $(unit_cppflags)
tests_unit_trace_preload_la_CFLAGS = $(tests_unit_trace_capture_CFLAGS) -fvisibility=hidden
tests_unit_trace_preload_la_LDFLAGS = $(plugin_ldflags) -export-symbols-regex '^(malloc|calloc|realloc|free)$$'
tests_unit_trace_preload_la_LIBADD = libengine.la
tests_unit_trace_threads_CPPFLAGS = $(unit_cppflags)
tests_unit_trace_threads_CFLAGS = $(tests_unit_trace_capture_CFLAGS)
tests_unit_trace_threads_LDADD = libengine.la -lpthread
tests_unit_snapshot_park_CPPFLAGS = $(unit_cppflags)
tests_unit_snapshot_park_CFLAGS = $(tests_unit_trace_capture_CFLAGS)
tests_unit_snapshot_park_LDADD = libengine.la -lpthread
tests_unit_trace_depot_CPPFLAGS = $(unit_cppflags)
tests_unit_trace_depot_LDADD = libengine.la -lpthread
tests_unit_trace_memo_CPPFLAGS = $(unit_cppflags)
tests_unit_trace_memo_LDADD = libengine.la -lpthread
tests_unit_trace_speed_SOURCES = tests/unit/trace_speed.c
nodist_EXTRA_tests_unit_trace_speed_SOURCES = link.cc
tests_unit_trace_speed_CPPFLAGS = $(unit_cppflags)
tests_unit_trace_speed_CFLAGS = $(tests_unit_trace_capture_CFLAGS)
tests_unit_trace_speed_LDADD = tests/unit/libtrace_subjects.la libengine.la -lpthread

# The behaviour of whole programs: pytest (see tests/conftest.py), with the programs it builds and runs.
EXTRA_DIST += tests/subjects tests/annotations.py tests/conftest.py tests/harness.py tests/memcheck.py tests/schema.py \
	tests/test_attack.py tests/test_checked_calls.py tests/test_bad_input.py tests/test_correct.py tests/test_errors.py tests/test_leaks_annotated.py \
	tests/test_leaks_memcheck.py tests/test_oracles.py tests/test_real_programs.py
# Those of memcheck's forms and command line.
EXTRA_DIST += tests/valgrind_xml.py tests/test_valgrind_xml.py tests/test_valgrind_command.py tests/test_valgrind_text.py tests/test_formats.py
# Those of the command itself: usage, transparency, signals, the agent's protocol.
EXTRA_DIST += tests/test_api.py tests/test_ends.py tests/test_out_of_reach.py tests/test_unseen.py
EXTRA_DIST += tests/seccomp_filter.py tests/test_deep_stacks.py tests/test_watchpoints.py tests/test_snapshot.py tests/live_kit.py
EXTRA_DIST += tests/run_tool.py tests/test_run_agent.py tests/test_run_signals.py tests/test_run_transparent.py tests/test_run_tree.py tests/test_run_usage.py
# The gate, as CI meets it: suppressions, baselines, thresholds, and a sample project.
EXTRA_DIST += tests/test_gate_ci.py tests/ci-project tests/test_suppressions.py tests/suppressions tests/test_baseline.py
# Dumps and cores.
EXTRA_DIST += tests/core_kit.py tests/test_cores.py tests/test_cores_fuzz.py
EXTRA_DIST += scripts/bench tests/bench tests/test_bench.py tests/test_instructions.py
