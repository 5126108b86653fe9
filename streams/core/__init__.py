"""Pure decisions: state in, events in, new state and outputs out. No I/O, no clock, no Faust."""
