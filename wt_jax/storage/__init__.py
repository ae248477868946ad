"""Buckets. Objects written whole, the lease of a run, and the copies that this machine works on."""
