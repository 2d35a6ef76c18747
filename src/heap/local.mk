heap_sources = \
	src/heap/heap.h src/heap/internal.h src/heap/quick.h src/heap/bits.h src/heap/port.h \
	src/heap/check.h src/heap/check.c \
	src/heap/watermark.h src/heap/watermark.c \
	src/heap/pool.h src/heap/pool.c \
	src/heap/buddy.h src/heap/buddy.c \
	src/heap/fit.h src/heap/fit.c src/heap/bins.h src/heap/bins.c src/heap/tree.h src/heap/tree.c \
	src/heap/freelist.h src/heap/freelist.c \
	src/heap/meta.h src/heap/meta.c \
	src/heap/pagemap.h src/heap/pagemap.c \
	src/heap/pages.h src/heap/pages.c \
	src/heap/slab.h src/heap/slab.c \
	src/heap/magazine.h src/heap/magazine.c \
	src/heap/entries.h src/heap/entries.c \
	src/heap/medium.h src/heap/medium.c \
	src/heap/large.h src/heap/large.c \
	src/heap/huge.h src/heap/huge.c \
	src/heap/heap.c src/heap/create.c src/heap/whole.c
engine_sources += $(heap_sources)
