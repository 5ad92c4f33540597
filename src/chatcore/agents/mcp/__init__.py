"""Tools of others: MCP servers, each a service of the graph, for an agent that a language model speaks for."""
