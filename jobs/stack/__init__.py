"""The local stack: a real Kafka broker, a real Redis and a real Flink cluster, with no root and no Docker.

`Stack.start` in `stack.py` is the way in; each service has a file of its own.
"""
