"""What things cost on this machine: `make bench`. May import every room; nothing imports it."""
