"""The processes of Caravel on one machine: their order, ports, secrets, database and health, and
the folder with everything that they leave behind. The command line is above, in commands."""
