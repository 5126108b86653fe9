"""One module for each family of commands. Heavy imports stand inside the commands, so that `ioc --help` is quick."""
