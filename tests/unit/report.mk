# Unit tests of report/, on images that are made up (fake_image.h).
report_tests = tests/unit/report_leaks tests/unit/report_paths tests/unit/report_flow tests/unit/report_render tests/unit/report_hostile tests/unit/report_symbols tests/unit/report_cores tests/unit/report_hit tests/unit/report_names tests/unit/report_direct tests/unit/report_source tests/unit/report_symbol_table
check_PROGRAMS += $(report_tests)
TESTS += $(report_tests)
check_LTLIBRARIES += libfakeimage.la
libfakeimage_la_SOURCES = tests/unit/fake_image.h tests/unit/fake_image.c tests/unit/fake_story.h tests/unit/fake_story.c tests/unit/leak_world.h tests/unit/leak_world.c
libfakeimage_la_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)
report_test_libs = libfakeimage.la libreport.la
tests_unit_report_leaks_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)
tests_unit_report_leaks_LDADD = $(report_test_libs)
tests_unit_report_paths_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)
tests_unit_report_paths_LDADD = $(report_test_libs)
tests_unit_report_flow_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)
tests_unit_report_flow_LDADD = $(report_test_libs)
tests_unit_report_render_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir) -DGOLDEN='"$(abs_top_srcdir)/tests/unit/golden"' $(JANSSON_CFLAGS) -DMIDDEN_VERSION='"$(VERSION)"'
tests_unit_report_render_LDADD = $(report_test_libs) $(JANSSON_LIBS)
EXTRA_DIST += tests/unit/golden
tests_unit_report_hostile_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir) $(LIBXML_CFLAGS)
tests_unit_report_hostile_LDADD = $(report_test_libs) $(LIBXML_LIBS)
tests_unit_report_symbols_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)
tests_unit_report_symbols_CFLAGS = $(AM_CFLAGS) -g
tests_unit_report_symbols_LDADD = libreport.la
tests_unit_report_hit_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)/report
tests_unit_report_hit_LDADD = libreport.la
tests_unit_report_names_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)
tests_unit_report_names_LDADD = libreport.la
tests_unit_report_direct_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)
tests_unit_report_direct_LDADD = libreport.la
tests_unit_report_source_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)
tests_unit_report_source_LDADD = libreport.la
tests_unit_report_symbol_table_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)
tests_unit_report_symbol_table_LDADD = libreport.la

tests_unit_report_cores_SOURCES = tests/unit/report_cores.c tests/unit/core_examine.h tests/unit/core_examine.c
tests_unit_report_cores_CPPFLAGS = $(unit_cppflags) -I$(top_srcdir)
tests_unit_report_cores_LDADD = libfakeimage.la libcommand.la
EXTRA_DIST += tests/unit/fuzz_core.c
