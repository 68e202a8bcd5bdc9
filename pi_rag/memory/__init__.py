"""The desk of agents' memory: what is remembered, recalled and forgotten. It knows no HTTP and no MCP."""
