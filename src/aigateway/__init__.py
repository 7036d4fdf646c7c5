"""AI Gateway: the one place between an organisation's coding agents and the AI providers."""

__version__ = "0.1.0"
