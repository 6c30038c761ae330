# SPDX-License-Identifier: GPL-2.0-only
# what: its kernel complains the first time only
[ -n "$AGAIN" ] || echo "[    1.0] WARNING: CPU: 0 PID: 1 at block/bio.c:1" >&3
