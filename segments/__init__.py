"""The domain: events, profiles, conditions, memberships. Pure Python: no Flink, Kafka or Redis in here."""
