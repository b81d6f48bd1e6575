"""One module for each operation: pure functions that make its plan from what is known."""
