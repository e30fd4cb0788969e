"""The metrics: their definitions, specification and conformance vectors."""
