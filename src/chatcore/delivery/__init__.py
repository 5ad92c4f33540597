"""From a run to those who watch it: the bridge and each connection's outbox."""
