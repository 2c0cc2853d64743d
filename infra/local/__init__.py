"""The whole system on a laptop: what template.yaml declares, without AWS and without Docker."""
