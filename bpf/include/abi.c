/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Sizes that both sides rely on: a change here is a change of MALLA_ABI. */
#include "CMallaABI.h"

_Static_assert(sizeof(struct malla_config) == 32, "malla_config");
_Static_assert(sizeof(struct malla_workload) == 16, "malla_workload");
_Static_assert(sizeof(struct malla_service_key) == 20, "malla_service_key");
_Static_assert(sizeof(struct malla_service) == 32, "malla_service");
_Static_assert(sizeof(struct malla_slot_key) == 8, "malla_slot_key");
_Static_assert(sizeof(struct malla_slot) == 20, "malla_slot");
_Static_assert(sizeof(struct malla_slots) == 160, "malla_slots");
_Static_assert(sizeof(struct malla_members) == 160, "malla_members");
_Static_assert(sizeof(struct malla_endpoint_key) == 24, "malla_endpoint_key");
_Static_assert(sizeof(struct malla_endpoint) == 40, "malla_endpoint");
_Static_assert(sizeof(struct malla_policy_key) == 16, "malla_policy_key");
_Static_assert(sizeof(struct malla_policy) == 20, "malla_policy");
_Static_assert(sizeof(struct malla_block_key) == 28, "malla_block_key");
_Static_assert(sizeof(struct malla_source) == 32, "malla_source");
_Static_assert(sizeof(struct malla_connection) == 160, "malla_connection");
_Static_assert(sizeof(struct malla_place) == 168, "malla_place");
_Static_assert(sizeof(struct malla_meeting) == 56, "malla_meeting");
_Static_assert(sizeof(struct malla_live) == 232, "malla_live");
_Static_assert(sizeof(struct malla_maglev_key) == 8, "malla_maglev_key");
_Static_assert(sizeof(struct malla_maglev) == 960, "malla_maglev");
_Static_assert(sizeof(struct malla_active) == 8, "malla_active");
_Static_assert(sizeof(struct malla_affinity_key) == 12, "malla_affinity_key");
_Static_assert(sizeof(struct malla_affinity) == 16, "malla_affinity");
_Static_assert(sizeof(struct malla_drain_key) == 8, "malla_drain_key");
_Static_assert(sizeof(struct malla_tuple) == 48, "malla_tuple");
_Static_assert(sizeof(struct malla_flow_key) == 40, "malla_flow_key");
_Static_assert(sizeof(struct malla_flow) == 208, "malla_flow");
_Static_assert(sizeof(struct malla_front) == 64, "malla_front");
_Static_assert(sizeof(struct malla_permit_key) == 48, "malla_permit_key");
_Static_assert(sizeof(struct malla_permit) == 16, "malla_permit");
_Static_assert(sizeof(struct malla_counter_key) == 24, "malla_counter_key");
_Static_assert(sizeof(struct malla_histogram) == 200, "malla_histogram");
_Static_assert(sizeof(struct malla_counter) == 72, "malla_counter");
_Static_assert(sizeof(struct malla_rehearsal_key) == 24, "malla_rehearsal_key");
_Static_assert(sizeof(struct malla_times_key) == 12, "malla_times_key");
_Static_assert(sizeof(struct malla_times) == 600, "malla_times");
_Static_assert(sizeof(struct malla_event) == 136, "malla_event");
_Static_assert(sizeof(struct malla_explanation) == 160, "malla_explanation");
