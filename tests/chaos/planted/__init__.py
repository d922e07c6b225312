"""Bugs that we have put in ourselves, to see whether the harness finds them. Each is a switch that
exists only here: it replaces a method, a statement or a setting of one mesh's processes before they
start. That is patching, which no test of ours may do; a planted bug is a patch by nature, and all
of it stays in this folder."""
