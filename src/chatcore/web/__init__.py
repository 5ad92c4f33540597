"""The edge that people, probes and programs reach over HTTP, and the door of the WebSocket."""
