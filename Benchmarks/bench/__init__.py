# SPDX-License-Identifier: Apache-2.0
"""Malla beside its peers, measured by CPU time."""
