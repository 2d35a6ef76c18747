/* The database, loaded when a report is written as one. Without it sqlite3_open() fails. */
#include <sqlite3.h>
#include <stddef.h>

#include "late.h"

#define LATE(...) LATE_FROM(SQLITE_SONAME, __VA_ARGS__)

LATE(int, sqlite3_open, (const char *name, sqlite3 **database), (name, database), SQLITE_ERROR)
LATE(int, sqlite3_close, (sqlite3 *database), (database), SQLITE_ERROR)
LATE(int, sqlite3_exec, (sqlite3 *database, const char *text, int (*callback)(void *, int, char **, char **), void *argument, char **error),
     (database, text, callback, argument, error), SQLITE_ERROR)
LATE(int, sqlite3_prepare_v2, (sqlite3 *database, const char *text, int bytes, sqlite3_stmt **statement, const char **tail),
     (database, text, bytes, statement, tail), SQLITE_ERROR)
LATE(int, sqlite3_bind_null, (sqlite3_stmt *statement, int column), (statement, column), SQLITE_ERROR)
LATE(int, sqlite3_bind_int64, (sqlite3_stmt *statement, int column, sqlite3_int64 value), (statement, column, value), SQLITE_ERROR)
LATE(int, sqlite3_bind_text, (sqlite3_stmt *statement, int column, const char *text, int bytes, void (*done)(void *)),
     (statement, column, text, bytes, done), SQLITE_ERROR)
LATE(int, sqlite3_step, (sqlite3_stmt *statement), (statement), SQLITE_ERROR)
LATE(int, sqlite3_reset, (sqlite3_stmt *statement), (statement), SQLITE_ERROR)
LATE(int, sqlite3_clear_bindings, (sqlite3_stmt *statement), (statement), SQLITE_ERROR)
LATE(int, sqlite3_finalize, (sqlite3_stmt *statement), (statement), SQLITE_ERROR)
LATE(unsigned char *, sqlite3_serialize, (sqlite3 *database, const char *schema, sqlite3_int64 *bytes, unsigned int flags),
     (database, schema, bytes, flags), NULL)
LATE_NOTHING_FROM(SQLITE_SONAME, sqlite3_free, (void *memory), (memory))
