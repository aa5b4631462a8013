"""CRMs that syncjob writes to, one module each."""
