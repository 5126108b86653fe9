"""What `ioc replay` adds to the player: where it plays to, who commands it, and a run that is complete in itself."""
