/* Interior-pointers that are as good as start-pointers.
 *
 * Four habits of programs keep only a pointer past the start of a block. Each leaves a shape in the block that is unlikely to be
 * there by chance; the shapes are those that Valgrind memcheck looks for:
 *
 *   stdstring             │ length │ capacity │ refcount │ text …            the pointer leads to the text, length <= capacity,
 *                                                                            and the block is just as long as capacity says
 *   length64              │ bytes that follow │ …                            the pointer leads past the length, which is right
 *   newarray              │ element count │ element │ element │ …            the pointer leads past the count, which divides the rest
 *   multipleinheritance   │ vtable │ … │ vtable │ …                          the pointer leads to a second vtable, or the same again
 *
 * A vtable is taken to be a place in a file's readable mapping where, among 20 words at most, two code addresses stand before
 * anything that is neither zero nor a code address. */
#include "leak_graph.h"

static bool word_at(const struct graph *graph, uint64_t address, uint64_t *word)
{
    return image_read_all(graph->records->image, address, word, sizeof *word);
}

static bool of_file(const struct image_mapping *mapping, unsigned access)
{
    return mapping && mapping->inode != 0 && (mapping->access & access) == access;
}

static bool is_vtable(const struct graph *graph, uint64_t address)
{
    enum { MOST = 20 };
    const struct image *image = graph->records->image;
    const struct image_mapping *mapping = image_mapping_at(image, address);
    unsigned functions = 0;
    if (address < 4096 || address % 8 || !of_file(mapping, IMAGE_READ))
        return false;
    for (unsigned i = 0; i < MOST && address + 8 <= mapping->end; i++, address += 8) {
        uint64_t entry;
        if (!word_at(graph, address, &entry))
            return false;
        if (entry == 0)
            continue;
        if (!of_file(image_mapping_at(image, entry), IMAGE_EXECUTE))
            return false;
        if (++functions == 2)
            return true;
    }
    return false;
}

bool heuristic_holds(const struct graph *graph, uint64_t word, uint32_t block, uint64_t offset)
{
    uint64_t start = word - offset, size = graph_size(graph, block), first, second;
    if (word % 8 || offset % 8 || offset + 8 > size + 7 || !word_at(graph, start, &first))
        return false;
    if (offset == 24 && word_at(graph, start + 8, &second)
        && first <= second && second <= size && 24 + second + 1 == size)
        return true;
    if (offset == 8 && first > 0 && size - 8 == first)
        return true;
    if (offset == 8 && first > 0 && (size - 8) % first == 0)
        return true;
    return offset + 8 <= size && word_at(graph, word, &second)
        && is_vtable(graph, first) && is_vtable(graph, second);
}
