/* SPDX-License-Identifier: BSD-3-Clause */
#include <postern/stun.h>
