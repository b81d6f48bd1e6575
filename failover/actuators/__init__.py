"""What the orchestrator can do to an estate: ports, their dispatch by verb, and real implementations."""
