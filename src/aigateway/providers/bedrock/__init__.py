"""Anthropic's models on Amazon Bedrock: its edits, its identities and signatures."""
