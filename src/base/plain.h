/* Put in front of every file of the library by the compiler's -include, but for those that define these functions for the program.
 *
 * For the copy of a struct a compiler calls memcpy, whatever it has been told about built-ins. In this library memcpy is the
 * interposer that the program calls; what the library needs itself must not come by there. The assembler is told to take our own
 * function (base/bytes.c) for the name. */
__asm__(".set memcpy, memory_plain_copy\n"
        ".set memmove, memory_plain_move\n"
        ".set memset, memory_plain_fill\n"
        ".set memcmp, memory_compare\n"
        ".set bcmp, memory_compare");
