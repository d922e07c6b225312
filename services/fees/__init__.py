"""Fees: what a payment costs, by the corridor's schedule. The smallest service; read it first."""
