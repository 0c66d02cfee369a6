"""What new definitions would change: both versions over the same users, and who is where in the end."""
