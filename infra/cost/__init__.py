"""What Ventana costs on AWS, and where it stops: a model over measured durations and sizes. `make cost` prints it."""
