"""YAML field maps: a closed list of words, checked whole before any request."""

from syncjob.mapping.gateway import GatewayMap, load_gateway
from syncjob.mapping.happening import NAMES
from syncjob.mapping.target import TargetMap, load_target
from syncjob.mapping.words import Word, words

__all__ = ["NAMES", "GatewayMap", "TargetMap", "Word", "load_gateway", "load_target", "words"]
