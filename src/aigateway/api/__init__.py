"""REST: the control plane, for the command line, for pages and for programs."""
