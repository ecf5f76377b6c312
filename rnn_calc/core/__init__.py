"""The mathematics of recurrent networks: it knows no file and no screen."""
