"""The small vocabulary of random definitions and timelines: few names, and instants at which clocks do odd things."""

from datetime import UTC, datetime

MINUTE = 60_000
EVENTS = ("View", "Add", "Order", "Click", "Rate")
PERIODS = ("this_day", "this_week", "this_month", "this_quarter", "this_year", "since_sunday", "since_thursday")
WINDOWS = ("1m", "2m", "3m", "5m", "10m", "90s", "4m1ms")
PRODUCTS = ("p1", "p2", "p3", 1, 1.0, "1", True, None)
PRICES = (0, 1, 2, 3, 5, -1, 0.1, 0.2, 0.3, 2.5, 0.000001, None, 1e12)
GRADES = (0, 1, 2, 3, "1", "a", "b", True, None)
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Nowhere/None",
    7,
)
STARTS = tuple(
    int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    for text in (
        "2026-03-02 00:00",
        "2026-03-29 00:50",  # ten minutes before Berlin springs forward
        "2026-10-25 00:50",  # ten minutes before Berlin falls back
        "2026-03-08 06:45",  # a quarter of an hour before New York springs forward
        "2026-11-01 05:45",  # a quarter of an hour before New York falls back
        "2026-04-04 14:50",  # ten minutes before Lord Howe Island falls back by half an hour
        "2001-09-09 01:40",
        "2025-12-31 22:45",  # a quarter of an hour before the new year in Berlin
        "2026-02-28 18:20",  # ten minutes before March and a Sunday in Kolkata
        "2026-03-08 04:50",  # ten minutes before Havana's clocks jump from 00:00 to 01:00, on a Sunday
        "2026-11-01 03:50",  # ten minutes before November in Havana, whose midnight comes twice
        "2026-04-23 21:45",  # a quarter of an hour before Cairo's clocks jump from 00:00 to 01:00
        "2026-06-30 21:50",  # ten minutes before a quarter in Berlin
    )
)
