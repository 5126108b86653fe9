"""Faust agents: decode, decide (streams.core), persist. A few lines each; no decision is taken here."""
