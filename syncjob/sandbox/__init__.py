"""Simulators of vendors' APIs over real HTTP, each its own process; they import nothing else of syncjob."""
