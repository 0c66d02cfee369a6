"""What the project's own checks need beside the tools it installs."""
