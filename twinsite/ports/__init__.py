"""The drills' ports on the lab: each module does what one Protocol of `failover.drills.ports` asks."""
