"""How a number is obtained: clock, stepping, machine, telemetry, energy, memory, noise floor, peaks."""
