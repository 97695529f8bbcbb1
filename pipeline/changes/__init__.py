"""What changed since a commit, from files only: two snapshots, their comparison, a pull request's comment."""
