"""Incremental readers and writers of wire syntax: HTTP/1.1, server-sent events, JSON members.

Nothing here performs I/O, reads a clock or knows a provider. A reader takes bytes in pieces of any
size and gives the same answer whatever the cuts; its buffers are bounded.
"""
