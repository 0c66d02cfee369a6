"""The Flink job and everything around it: graph, sources, sinks, settings, the local stack and the command line."""
