"""`ioc demo`: the whole platform on one machine, fed with a recording, shown in the terminal."""
