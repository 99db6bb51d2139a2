# SPDX-License-Identifier: Apache-2.0
"""Runs that take long, break things meanwhile, and count what nobody may notice."""
