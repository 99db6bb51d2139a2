/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What kernel and Swift share: one definition, imported by both. */
#pragma once
#include "malla/addr.h"
#include "malla/flow.h"
#include "malla/flows.h"
#include "malla/maps.h"
#include "malla/reason.h"
