"""The report of a drill: one page that needs nothing but itself."""

from failover.drills.report.page import render

__all__ = ["render"]
