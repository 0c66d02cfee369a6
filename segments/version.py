"""Which version this is."""

VERSION = "0.1.0"  # also in pyproject.toml and jobs/bridge/pom.xml; a test compares them
