"""Reads the estate's state through its real interfaces; changes nothing."""
