"""What is kept: the recorder makes rows of facts, the journal keeps them, the shipper moves them to the store."""
