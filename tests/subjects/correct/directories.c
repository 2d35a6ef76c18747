/* opendir, scandir, ftw, glob: libc blocks handed to the program piece by piece. */
#include <dirent.h>
#include <ftw.h>
#include <glob.h>
#include "subject.h"

static int visited;
static int visit(const char *path, const struct stat *status, int type) { visited += type == FTW_D; return 0; }

int main(void)
{
    struct dirent **entries;
    int n = scandir("/etc", &entries, NULL, alphasort), named = 0;
    for (int i = 0; i < n; i++) {
        named += !strcmp(entries[i]->d_name, "passwd");
        free(entries[i]);
    }
    free(entries);
    glob_t found;
    glob("/etc/pass*", GLOB_MARK, NULL, &found);
    size_t matched = found.gl_pathc;
    globfree(&found);
    ftw("/etc/init.d", visit, 10);
    printf("%d %d %d\n", named, matched >= 1, visited);
    return 0;
}
