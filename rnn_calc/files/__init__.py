"""What comes in: model files, sequences, arrays, and the worked examples that are shipped."""
