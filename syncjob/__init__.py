"""syncjob brings what payment gateways saw to the books and the CRM, each effect once, and proves the balance every night."""

__version__ = "0.1.0"
