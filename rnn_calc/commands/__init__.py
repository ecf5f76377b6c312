"""One thin file a command: read options, one call into the core, one call into show."""
