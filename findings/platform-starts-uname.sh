#!/usr/bin/env bash
# CPython 3.8 to 3.13 on Linux: platform.platform() starts a program, `uname -p`, by name.
#
# A guess: it asks os.uname(), as platform.machine() does. Seen (3.10.13, 3.11.7, 3.12.1, 3.13.0): unpacking uname()
# asks for its sixth field, the processor, which runs `uname -p` with the PATH and the working directory of the caller;
# nothing of its answer is in the result. Whoever holds a process to a list of programs, or has an empty entry in PATH,
# is surprised. os.uname() and platform.libc_ver() give the same text and start nothing.
#
# Expected output: the three lines at the end. Ends with 1 when that changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python=$(command -v python3)

cat > "$place/uname" <<'SH'
#!/bin/sh
echo "started as: uname $*" >> "$(dirname "$0")/started"
SH
chmod +x "$place/uname"

ask() { (cd / && PATH="$place:$PATH" "$python" -S -I -c "import os, platform; $1"); }

ask 'platform.machine(); platform.node(); platform.release(); os.uname(); platform.libc_ver()'
echo "machine, node, release, os.uname, libc_ver: $([ -e "$place/started" ] && cat "$place/started" || echo nothing started)"
ask 'print("-".join((os.uname().sysname, os.uname().release, os.uname().machine)) in platform.platform())' \
  | sed 's/^/platform() holds what os.uname() says: /'
echo "platform(): $([ -e "$place/started" ] && cat "$place/started" || echo nothing started)"

[ "$(cat "$place/started")" = "started as: uname -p" ]
