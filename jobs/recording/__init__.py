"""Recorded events spread over processes by user: each process has all events of its users, in order of time."""

from jobs.recording.recording import NoEvents, Recording, default_workers
from jobs.recording.users import Timed

__all__ = ["NoEvents", "Recording", "Timed", "default_workers"]
