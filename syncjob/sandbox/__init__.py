"""Simulators of vendors' APIs over real HTTP, each in its own process; they import nothing of syncjob but themselves."""
