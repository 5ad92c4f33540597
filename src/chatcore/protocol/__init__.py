"""The conversation: frames, tables and grammars of ``chatcore.v1``; pure, no Trio, no clock, no sockets."""
