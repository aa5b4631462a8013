"""Requests to vendors: one pinned origin, strict answers, and the only retries that are counted in seconds."""

from syncjob.http.client import Answer, Http, Meter, path
from syncjob.http.verdicts import READING, WRITING, verdict

__all__ = ["READING", "WRITING", "Answer", "Http", "Meter", "path", "verdict"]
