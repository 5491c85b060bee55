"""Two films compared: the measures, their plot, and the clip that shows both."""
