"""The side of models that needs no stream: rows from recorded events, training, export, registry, drift."""
