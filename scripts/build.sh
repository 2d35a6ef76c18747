# shellcheck shell=bash
# Read by scripts/try and scripts/check, not run: building in a directory of its own, from nothing or from what is there.

# build_tree TOP DIR [CONFIGURE ARGUMENT...]: configures TOP into DIR where that is due, and makes everything.
build_tree() {
    local top=$1 dir=$2
    shift 2
    # New source lists and a changed configure.ac need no care: the Makefile notices them. What cannot notice itself is what
    # is not there yet, or was configured otherwise.
    if [ ! -x "$top/configure" ]; then
        (cd "$top" && autoreconf -fi) || return 1
    fi
    mkdir -p "$dir" || return 1
    if [ ! -f "$dir/Makefile" ] || [ "$(cat "$dir/configured-with" 2>/dev/null)" != "$*" ]; then
        (cd "$dir" && "$top/configure" -q "$@") || return 1
        echo "$*" >"$dir/configured-with"
    fi
    make -C "$dir" -j"$(nproc)" || return 1
}
