# Everything of the command but its subcommands: images, records, analysis, symbols, renderers. The unit tests link it too.
noinst_LTLIBRARIES += libreport.la
libreport_la_SOURCES = \
	report/error.h report/error.c report/say.h report/say.c \
	report/late.h report/late.c report/late_capstone.c report/late_elfutils.c report/late_sqlite.c report/late_xml.c \
	report/memory.h report/memory.c report/processors.h report/processors.c \
	report/image.h report/image.c report/image_live.c report/image_direct.h report/image_direct.c report/image_stream.h report/image_stream.c report/image_uncopied.c \
	report/image_core.c report/core_bytes.h report/core_bytes.c report/file_read.h report/file_read.c report/file_text.h report/file_text.c report/core_zstd.c report/core_gaps.h report/core_gaps.c report/core_notes.h report/core_notes.c \
	report/module_search.h report/module_search.c \
	report/dump.h report/dump.c report/dump_plan.c report/dump_notes.c report/dump_copy.c report/dump_mask.h report/dump_mask.c \
	report/tables.h report/tables.c \
	report/records.h report/records.c \
	report/records_regions.h report/records_regions.c report/records_marks.h report/records_marks.c \
	report/leaks.h report/leaks.c \
	report/leak_graph.h report/leak_objects.c report/leak_index.h report/leak_index.c report/leak_region.c report/leak_walk.c report/leak_tls.c report/leak_edges.h report/leak_edges.c report/leak_pieces.h report/leak_pieces.c report/leak_scan.c report/leak_roots.c report/leak_mark.c \
	report/leak_heuristics.c report/leak_reach.c report/leak_tally.h report/leak_tally.c report/leak_group.c \
	report/leak_flow.h report/leak_flow.c report/leak_path.h report/leak_path.c report/leak_holders.c report/leak_retained.c report/leak_paths.h report/unwind.h report/unwind.c \
	report/hit.h report/hit.c report/hit_code.h report/hit_code.c report/hit_access.c report/hit_value.c \
	report/symbols.h report/symbols.c report/symbol_file.h report/symbol_file.c report/symbol_find.c \
	report/symbol_scopes.h report/symbol_scopes.c report/symbol_data.h report/symbol_data.c report/symbol_table.h report/symbol_table.c report/sorted.h \
	report/whereabouts.h report/whereabouts.c report/witnesses.h report/witnesses.c report/unseen.h report/unseen.c \
	report/frames.h report/frames.c report/stable_name.h report/stable_name.c \
	report/model.h report/model.c report/model_parts.h report/model_findings.c report/model_leaks.c report/model_slots.c report/loader_tls.h report/loader_tls.c report/model_verdict.c report/sentence.c \
	report/baseline.h report/baseline.c report/glob.h report/glob.c report/suppression_rules.h report/suppressions.h report/suppressions.c \
	report/suppressions_read.c report/suppressions_write.c \
	report/render.h report/escape.h report/escape.c report/page.h report/page.c report/source.h report/source.c \
	report/block_walk.h report/block_walk.c report/heap_map.h report/heap_map.c report/key_index.h report/key_index.c report/stack_facts.h report/stack_facts.c \
	report/json_parts.h report/json_parts.c \
	report/render_error.c report/render_text.c report/render_about.c report/render_json.c report/render_slots.c report/json_slots.h report/json_slots.c \
	report/checkout.h report/checkout.c report/render_sarif.c report/render_html.c report/render_github.c report/render_junit.c \
	report/xml_parts.h report/xml_parts.c report/render_folded.c report/render_pprof.c report/render_sqlite.c \
	report/formats.def report/formats.h report/formats.c \
	report/valgrind.h report/valgrind_fds.h report/valgrind_fds.c report/valgrind_words.c report/render_valgrind.c report/render_valgrind_xml.c
libreport_la_CPPFLAGS = $(AM_CPPFLAGS) -DMIDDEN_VERSION='"$(VERSION)"' \
	-DCAPSTONE_SONAME='"$(CAPSTONE_SONAME)"' -DLIBDW_SONAME='"$(LIBDW_SONAME)"' -DLIBELF_SONAME='"$(LIBELF_SONAME)"' \
	-DLIBXML_SONAME='"$(LIBXML_SONAME)"' -DSQLITE_SONAME='"$(SQLITE_SONAME)"'
libreport_la_CFLAGS = $(AM_CFLAGS) $(LIBDW_CFLAGS) $(LIBELF_CFLAGS) $(CAPSTONE_CFLAGS) $(JANSSON_CFLAGS) $(ZSTD_CFLAGS) $(LIBXML_CFLAGS) $(SQLITE_CFLAGS) $(ZLIB_CFLAGS)
libreport_la_LIBADD = $(JANSSON_LIBS) $(ZSTD_LIBS) $(ZLIB_LIBS) $(IBERTY_LIBS) -lpthread

# The command: its subcommands, the supervisor and the agent.
noinst_LTLIBRARIES += libcommand.la
libcommand_la_SOURCES = \
	report/command.h report/commands.def report/commands.c report/command_texts.def report/help.c \
	report/settings.h report/settings.c \
	report/run.c \
	report/arguments.h report/arguments.def report/arguments.c report/argument_rows.c \
	report/image_open.h report/image_open.c report/opened.h report/opened.c \
	report/judged.h report/judged.c report/command_report.c report/command_leaks.c report/command_export.c report/command_dump.c \
	report/progress.h report/progress.c \
	report/block_filter.h report/block_filter.c report/block_columns.h report/block_columns.c report/block_groups.h report/block_groups.c \
	report/command_blocks.c report/command_why.c report/why.h report/why_find.c report/why_text.c report/why_bytes.c report/why_json.c \
	report/diff.h report/diff.c report/command_diff.c report/command_map.c report/map_json.h report/map_json.c report/command_threads.c report/command_findings.c \
	report/program.h report/program.c \
	report/launch.h report/launch.c \
	report/supervise.h report/supervise.c \
	report/agent.h report/agent.c report/serve.h report/serve.c report/jobs.h report/jobs.c \
	report/wire.h report/wire.c \
	report/request.h report/request.c report/request_target.h report/request_target.c \
	report/deliver.h report/deliver_parts.h report/deliver.c report/deliver_asked.c report/deliver_dump.c \
	report/analysis.h report/analysis.c report/wishes.h report/wishes.c \
	report/gate.h report/gate.c report/baseline_file.c \
	report/place.h report/place.c \
	report/tree.h report/tree.c \
	report/outputs.h report/outputs.c \
	src/format/options.h src/format/options.c src/format/options.def
libcommand_la_CPPFLAGS = $(AM_CPPFLAGS) -DPKGLIBDIR='"$(pkglibdir)"'
libcommand_la_LIBADD = libreport.la $(IBERTY_LIBS)

bin_PROGRAMS += midden midden-valgrind
midden_SOURCES = report/main.c
midden_LDADD = libcommand.la
midden_valgrind_SOURCES = report/valgrind_main.c report/valgrind_options.def report/valgrind_options.h report/valgrind_options.c \
	report/valgrind_places.h report/valgrind_places.c
midden_valgrind_LDADD = libcommand.la

# The options as the manual page and README.md show them.
noinst_PROGRAMS += option_tables
option_tables_SOURCES = report/option_tables.c report/argument_rows.c src/format/options.c

# `make` brings the option tables of the manual page and of README.md up to date where options.def or arguments.def has changed; `make check`
# insists on it (a tarball's are, so there nothing is written).
dist_man_MANS += man/midden.1 man/midden-valgrind.1
EXTRA_DIST += scripts/update-docs scripts/check-arrows scripts/install-deps scripts/build.sh scripts/try scripts/check examples/orders.c
all-local: option_tables
	@$(top_srcdir)/scripts/update-docs ./option_tables
check-local: option_tables
	$(top_srcdir)/scripts/update-docs ./option_tables --check
	$(top_srcdir)/scripts/check-arrows
