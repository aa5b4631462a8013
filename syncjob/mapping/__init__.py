"""YAML field maps: a closed list of words, checked whole before any request."""
