"""Agents: what an app author implements (:mod:`.base`), the tools they use, and who runs them."""
