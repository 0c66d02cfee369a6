"""Comparing what the running job knows, its topics and Redis, and mending Redis, while events go on."""
