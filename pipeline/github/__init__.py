"""What GitHub is told: groups and annotations of a job, and one comment that stays in place."""
