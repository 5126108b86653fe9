"""The command `ioc`: composition root of every process, and the embedded servers for a machine without Docker."""
