# The interposers, which with the engine become lib/midden/libmidden.so. lib/libmidden.so is a link to it, for LD_PRELOAD.
preload_sources = \
	preload/symbols.def preload/export.h preload/real.h preload/real.c \
	preload/start.c preload/finish.h preload/finish.c \
	preload/malloc.c preload/duplicate.c preload/statistics.c preload/operators.h preload/operators.c \
	preload/launch.h preload/launch.c \
	preload/masks.h preload/masks.c preload/actions.c preload/resume.h preload/waits.c preload/raw.h preload/raw.c preload/sleeps.c preload/queues.c preload/sockets.h preload/sockets.c \
	preload/environment.h preload/environment.c preload/program.h preload/program.c preload/program_file.h preload/needed.c \
	preload/exec.c preload/spawn.c preload/shell.h preload/shell.c preload/pipes.c preload/reap.c \
	preload/interface.c preload/lsan.h preload/lsan.c preload/program_symbols.h preload/program_symbols.c

# The checked calls, which define memcpy and its like for the program.
noinst_LTLIBRARIES += libchecked.la
libchecked_la_SOURCES = \
	preload/checked/checked.def preload/checked/checked.h preload/checked/next.h preload/checked/next.c \
	preload/checked/text.c preload/checked/wide.c preload/checked/number.c preload/checked/token.c \
	preload/checked/bounce.h preload/checked/bounce.c preload/checked/input.c preload/checked/vectors.c \
	preload/checked/line.h preload/checked/streams.c \
	preload/checked/format.h preload/checked/format.c preload/checked/print.c \
	preload/checked/scan.h preload/checked/scan.c preload/checked/scans.c
libchecked_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/preload
libchecked_la_CFLAGS = $(plain_cflags)
libchecked_la_LIBADD = libcalls.la

# Interposers that end in a jump and have no frame (calls.c).
noinst_LTLIBRARIES += libcalls.la
libcalls_la_SOURCES = preload/checked/calls.c
libcalls_la_CPPFLAGS = $(libchecked_la_CPPFLAGS)
libcalls_la_CFLAGS = $(plain_cflags) -fomit-frame-pointer -foptimize-sibling-calls

# For itself, so that the tests can put it on another engine.
noinst_LTLIBRARIES += libpreload.la
libpreload_la_SOURCES = $(preload_sources)
libpreload_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/preload
libpreload_la_CFLAGS = $(engine_cflags)
libpreload_la_LIBADD = libchecked.la

pkglib_LTLIBRARIES += libmidden.la
libmidden_la_SOURCES =
libmidden_la_LIBADD = libpreload.la libengine.la
# Bsymbolic-functions: our own functions are ours inside the library, even where a program has one of the same name. now: nothing is
# looked up later, in a signal handler or between vfork and exec. initfirst: see start.c. nodelete: a dlclose leaves us in place.
libmidden_la_LDFLAGS = -module -avoid-version -shared \
	-Wl,-Bsymbolic-functions -Wl,-z,now -Wl,-z,initfirst -Wl,-z,nodelete

# The same objects once more, without the names of the checked calls: for profiles that check no calls, so that the program's memcpy is
# libc's own. In a folder beside, under the same name, by which everything knows the library.
uncheckeddir = $(pkglibdir)/unchecked
unchecked_LTLIBRARIES = unchecked/libmidden.la
unchecked_libmidden_la_SOURCES =
unchecked_libmidden_la_LIBADD = $(libmidden_la_LIBADD)
unchecked_libmidden_la_LDFLAGS = $(libmidden_la_LDFLAGS) -Wl,--version-script=preload/unchecked.map
EXTRA_unchecked_libmidden_la_DEPENDENCIES = preload/unchecked.map
CLEANFILES += preload/unchecked.map
preload/unchecked.map: $(top_srcdir)/preload/symbols.def
	$(AM_V_GEN)$(MKDIR_P) preload && { echo '{ global:'; $(CPP) -P -DUNCHECKED '-DOWN(name)=name;' '-DWRAP(name)=name;' '-DALIAS(name,of)=name;' \
		'-DOFFER(name)=name;' -x c $(top_srcdir)/preload/symbols.def; echo 'local: *; };'; } >$@.new && mv $@.new $@

install-exec-hook: link-preload
link-preload:
	rm -f $(DESTDIR)$(pkglibdir)/libmidden.la $(DESTDIR)$(uncheckeddir)/libmidden.la
	cd $(DESTDIR)$(libdir) && rm -f libmidden.so && $(LN_S) midden/libmidden.so libmidden.so
uninstall-hook: unlink-preload
unlink-preload:
	rm -f $(DESTDIR)$(libdir)/libmidden.so $(DESTDIR)$(pkglibdir)/libmidden.so $(DESTDIR)$(uncheckeddir)/libmidden.so
.PHONY: link-preload unlink-preload
