/* The disassembler, loaded when a watchpoint is hit for the first time. Without it cs_open() fails and hits are not explained. */
#include <capstone/capstone.h>
#include <stdlib.h>

#include "late.h"

#define LATE(type, ...) LATE_FROM(CAPSTONE_SONAME, type CAPSTONE_API, __VA_ARGS__)

LATE(cs_err, cs_open, (cs_arch arch, cs_mode mode, csh *handle), (arch, mode, handle), CS_ERR_MEM)
LATE(cs_err, cs_close, (csh *handle), (handle), CS_ERR_HANDLE)
LATE(cs_err, cs_option, (csh handle, cs_opt_type type, size_t value), (handle, type, value), CS_ERR_HANDLE)
LATE(size_t, cs_disasm, (csh handle, const uint8_t *code, size_t n, uint64_t address, size_t count, cs_insn **insn),
     (handle, code, n, address, count, insn), 0)
LATE(bool, cs_disasm_iter, (csh handle, const uint8_t **code, size_t *n, uint64_t *address, cs_insn *insn),
     (handle, code, n, address, insn), false)
LATE(cs_insn *, cs_malloc, (csh handle), (handle), NULL)
LATE(cs_err, cs_regs_access, (csh handle, const cs_insn *insn, cs_regs read, uint8_t *n_read, cs_regs write, uint8_t *n_write),
     (handle, insn, read, n_read, write, n_write), CS_ERR_HANDLE)

LATE_NOTHING_FROM(CAPSTONE_SONAME, cs_free, (cs_insn *insn, size_t n), (insn, n))
