"""Worlds to reason in, without I/O or clock.

A scenery that says what agents would see, an abstract model explored exhaustively, and an estate in memory
on which every procedure can be rehearsed.
"""
