"""Full-text search over what people asked, what models thought, and the tools that they called."""
