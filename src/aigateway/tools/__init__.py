"""MCP tools of the organisation: which are offered to whom, and how they are called."""
