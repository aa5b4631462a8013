"""The nightly page: rows whose sums must close, then dressed as text or JSON."""
