"""From alarms to people: dispatch and channels."""
