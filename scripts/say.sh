# shellcheck shell=bash
# Sourced by the scripts beside it: how they speak.

# Report a step with the seconds since the outermost script began.
: "${TWINSITE_BEGAN:=$(date +%s)}"
export TWINSITE_BEGAN
say() { printf '[%4d s] %s\n' "$(($(date +%s) - TWINSITE_BEGAN))" "$*" >&2; }

# Give up: the message says why and what helps.
give_up() {
    printf 'error: %s\n' "$1" >&2
    exit "${2:-3}"
}
