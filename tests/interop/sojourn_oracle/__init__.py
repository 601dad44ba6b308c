# SPDX-License-Identifier: ISC
"""A second implementation of Sojourn, written from PROTOCOL.md and not from
the code. Small and readable; not fast, not constant in time, not for use."""
