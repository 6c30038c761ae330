# SPDX-License-Identifier: GPL-2.0-only
# what: its kernel complains the first time only, that a task is late
[ -n "$AGAIN" ] || echo "[    1.0] INFO: task fio:99 blocked for more than 40 seconds." >&3
