"""The language-model engine: a model behind any OpenAI-compatible endpoint, the turns with it, and their bounds.

It knows nothing of the agent that uses it, which gives the instructions and the tools.
"""
