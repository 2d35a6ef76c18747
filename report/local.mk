# Everything of the command but its subcommands: images, records, analysis, symbols, renderers. The unit tests link it too.
noinst_LTLIBRARIES += libreport.la
libreport_la_SOURCES = \
	report/error.h report/error.c \
	report/memory.h report/memory.c \
	report/image.h report/tables.h report/records.h report/symbols.h report/frames.h report/leaks.h report/model.h report/render.h
libreport_la_CFLAGS = $(AM_CFLAGS) $(LIBDW_CFLAGS) $(LIBELF_CFLAGS) $(JANSSON_CFLAGS)
libreport_la_LIBADD = $(LIBDW_LIBS) $(LIBELF_LIBS) $(JANSSON_LIBS) $(IBERTY_LIBS) -lpthread
