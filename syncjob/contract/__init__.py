"""The contract suite: what every connector promises, as tests that come with syncjob. `pytest --connector NAME` runs them.

Nothing else of syncjob imports this package, so pytest is needed by those who run tests only.
"""
