"""Results -> what GitHub is told: groups and annotations of a job, one comment and one issue that stay in place."""
