"""The demo: shop traffic on the whole stack, live in the terminal, reconciled at the end. `demo.py` is the way in."""
