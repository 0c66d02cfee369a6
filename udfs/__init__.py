"""Thin functions that run the domain inside Flink: frames in, engine call, frames and Redis out."""
