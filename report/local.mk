# Everything of the command but its subcommands: images, records, analysis, symbols, renderers. The unit tests link it too.
noinst_LTLIBRARIES += libreport.la
libreport_la_SOURCES = \
	report/error.h report/error.c \
	report/memory.h report/memory.c \
	report/image.h report/image.c report/image_live.c \
	report/tables.h report/tables.c \
	report/records.h report/records.c \
	report/records_regions.h report/records_regions.c \
	report/leaks.h report/leaks.c \
	report/leak_graph.h report/leak_index.c report/leak_scan.c report/leak_roots.c \
	report/leak_heuristics.c report/leak_reach.c report/leak_group.c \
	report/symbols.h report/frames.h report/model.h report/render.h
libreport_la_CFLAGS = $(AM_CFLAGS) $(LIBDW_CFLAGS) $(LIBELF_CFLAGS) $(JANSSON_CFLAGS)
libreport_la_LIBADD = $(LIBDW_LIBS) $(LIBELF_LIBS) $(JANSSON_LIBS) $(IBERTY_LIBS) -lpthread
