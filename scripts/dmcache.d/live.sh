# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# live.sh - a running cache: status, top, flush, set.
